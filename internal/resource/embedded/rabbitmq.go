package embedded

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os/exec"
	"os/user"
	"strconv"
	"syscall"
	"time"
)

func rabbitFlags(fs *flag.FlagSet, o *options) {
	common(fs, o)
	fs.StringVar(&o.Epmd, "epmd", "epmd", "Erlang's port mapper")
	fs.StringVar(&o.User, "user", "", "user to run both as, when started by root")
}

// runRabbitMQ runs an installed RabbitMQ (o.Args) together with a port mapper of its own on o.Addr, as
// one: when the broker ends so does the mapper, and none is shared with the machine's.
func runRabbitMQ(ctx context.Context, o options) error {
	_, port, err := loopback(o.Addr)
	if err != nil {
		return err
	}
	if len(o.Args) == 0 {
		return errors.New("no command of the server given")
	}
	attr, err := dropTo(o.User)
	if err != nil {
		return err
	}
	epmd := child(o, attr, o.Epmd, "-port", strconv.Itoa(port), "-address", "127.0.0.1")
	if err := epmd.Start(); err != nil {
		return err
	}
	mapperEnded := wait(epmd)
	defer func() { epmd.Process.Kill(); <-mapperEnded }()
	if err := listening(ctx, o.Addr, mapperEnded); err != nil {
		return err
	}
	broker := child(o, attr, o.Args[0], o.Args[1:]...)
	if err := broker.Start(); err != nil {
		return err
	}
	ended := wait(broker)
	select {
	case err := <-ended:
		return fmt.Errorf("broker ended by itself: %v", err)
	case <-mapperEnded:
		if ctx.Err() == nil {
			o.logf("port mapper ended, stopping the broker")
		}
	case <-ctx.Done():
	}
	broker.Process.Signal(syscall.SIGTERM)
	<-ended // whoever stopped us kills the group when its patience ends
	return nil
}

// child is a command with this process's environment and group, in its folder.
func child(o options, attr *syscall.SysProcAttr, name string, args ...string) *exec.Cmd {
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr, cmd.SysProcAttr = o.Stdout, o.Stderr, attr
	return cmd
}

func wait(cmd *exec.Cmd) <-chan error {
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait(); close(ended) }()
	return ended
}

// listening waits until something accepts on addr, or ended says that nothing will.
func listening(ctx context.Context, addr string, ended <-chan error) error {
	var d net.Dialer
	for {
		c, err := d.DialContext(ctx, "tcp", addr)
		if err == nil {
			return c.Close()
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case err := <-ended:
			return fmt.Errorf("port mapper ended: %v", err)
		case <-time.After(2 * time.Millisecond):
		}
	}
}

// dropTo makes a child run as another user; "" is this one.
func dropTo(name string) (*syscall.SysProcAttr, error) {
	if name == "" {
		return nil, nil
	}
	u, err := user.Lookup(name)
	if err != nil {
		return nil, err
	}
	uid, err := strconv.ParseUint(u.Uid, 10, 32)
	if err != nil {
		return nil, err
	}
	gid, err := strconv.ParseUint(u.Gid, 10, 32)
	if err != nil {
		return nil, err
	}
	return &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), Groups: []uint32{}}}, nil
}
