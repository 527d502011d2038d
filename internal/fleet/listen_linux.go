package fleet

import (
	"encoding/binary"
	"fmt"

	"golang.org/x/sys/unix"
)

// portTable asks the kernel for the listening TCP sockets, through sock_diag(7), which goes through
// nothing but these.
type portTable struct {
	fd  int
	buf []byte
}

const (
	sockDiagByFamily = 20      // SOCK_DIAG_BY_FAMILY
	stateListen      = 1 << 10 // TCP_LISTEN as a bit
	requestBytes     = 16 + 56 // nlmsghdr and inet_diag_req_v2
)

func openTable() (*portTable, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("open socket table: %w", err)
	}
	limit := unix.Timeval{Sec: 1} // the kernel answers at once or not at all
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("open socket table: %w", err)
	}
	t := &portTable{fd: fd, buf: make([]byte, 64<<10)}
	if err := t.read(func(int) {}); err != nil {
		t.close()
		return nil, err
	}
	return t, nil
}

func (t *portTable) close() { unix.Close(t.fd) }

// read visits every port that is listened on, at any address.
func (t *portTable) read(visit func(port int)) error {
	for _, family := range []uint8{unix.AF_INET, unix.AF_INET6} {
		if err := t.dump(family, visit); err != nil {
			return fmt.Errorf("read socket table: %w", err)
		}
	}
	return nil
}

// dump visits the ports of one family.
func (t *portTable) dump(family uint8, visit func(port int)) error {
	req := make([]byte, requestBytes)
	binary.NativeEndian.PutUint32(req[0:], requestBytes)
	binary.NativeEndian.PutUint16(req[4:], sockDiagByFamily)
	binary.NativeEndian.PutUint16(req[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	req[16], req[17] = family, unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(req[20:], stateListen)
	if err := unix.Sendto(t.fd, req, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	for {
		n, _, err := unix.Recvfrom(t.fd, t.buf, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if done, err := collect(t.buf[:n], visit); done || err != nil {
			return err
		}
	}
}

// collect reads one packet of answers and reports whether it was the last.
func collect(b []byte, visit func(port int)) (bool, error) {
	for len(b) >= 16 {
		size := int(binary.NativeEndian.Uint32(b))
		if size < 16 || size > len(b) {
			return false, unix.EBADMSG
		}
		switch binary.NativeEndian.Uint16(b[4:]) {
		case unix.NLMSG_DONE:
			return true, nil
		case unix.NLMSG_ERROR:
			if size >= 20 {
				return true, unix.Errno(-int32(binary.NativeEndian.Uint32(b[16:])))
			}
			return true, unix.EBADMSG
		}
		if size >= 22 { // inet_diag_msg: four bytes, then the port in network order
			visit(int(binary.BigEndian.Uint16(b[20:])))
		}
		b = b[min(len(b), (size+3)&^3):]
	}
	return false, nil
}
