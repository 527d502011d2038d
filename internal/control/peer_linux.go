package control

import "golang.org/x/sys/unix"

func peerOf(fd int) (credentials, error) {
	c, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
	if err != nil {
		return credentials{}, err
	}
	return credentials{uid: int(c.Uid), pid: int(c.Pid)}, nil
}
