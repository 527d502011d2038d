package container

import (
	"context"
	"fmt"
	"io"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/pkg/stdcopy"

	"msctl.dev/msctl/internal/driver"
)

// Exec runs argv inside the container of a running unit and returns its exit code. With a TTY, Out gets
// everything. Cancelling ctx ends the connection, not the command: the engine has no way to do that.
func (d *Driver) Exec(ctx context.Context, unit string, argv []string, stdio driver.Stdio) (int, error) {
	l, err := d.engine(ctx)
	if err != nil {
		return 0, fmt.Errorf("exec in %s: %w", unit, err)
	}
	id, err := d.id(ctx, l, unit)
	if err != nil {
		return 0, fmt.Errorf("exec in %s: %w", unit, err)
	}
	code, err := l.exec(ctx, id, argv, stdio)
	if err != nil {
		return 0, fmt.Errorf("exec in %s: %s", unit, oneLine(err))
	}
	return code, nil
}

func (l *link) exec(ctx context.Context, id string, argv []string, stdio driver.Stdio) (int, error) {
	opts := container.ExecOptions{Cmd: argv, Tty: stdio.TTY, AttachStdin: stdio.In != nil, AttachStdout: true, AttachStderr: true}
	if stdio.TTY {
		opts.Env = []string{"TERM=xterm-256color"}
	}
	made, err := l.cli.ContainerExecCreate(ctx, id, opts)
	if err != nil {
		return 0, err
	}
	conn, err := l.cli.ContainerExecAttach(ctx, made.ID, container.ExecAttachOptions{Tty: stdio.TTY})
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	defer context.AfterFunc(ctx, conn.Close)()
	if stdio.TTY {
		defer l.keepSize(ctx, made.ID, stdio)()
	}
	if stdio.In != nil {
		go feed(conn, stdio.In)
	}
	if err := receive(conn, stdio); err != nil && ctx.Err() == nil {
		return 0, err
	}
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	end, err := l.cli.ContainerExecInspect(ctx, made.ID)
	return end.ExitCode, err
}

// feed copies the input and then closes the command's. It ends with the connection or with the input; a
// terminal that nobody types on ends with the program.
func feed(conn types.HijackedResponse, in io.Reader) {
	_, _ = io.Copy(conn.Conn, in)
	_ = conn.CloseWrite()
}

// receive copies the output to its end.
func receive(conn types.HijackedResponse, stdio driver.Stdio) error {
	out, errOut := stdio.Out, stdio.Err
	if out == nil {
		out = io.Discard
	}
	if errOut == nil {
		errOut = io.Discard
	}
	if stdio.TTY {
		_, err := io.Copy(out, conn.Reader)
		return err
	}
	_, err := stdcopy.StdCopy(out, errOut, conn.Reader)
	return err
}

// ignoreGone drops the errors that say that a container has ended.
func ignoreGone(err error) error {
	if errdefs.IsNotFound(err) || errdefs.IsConflict(err) {
		return nil
	}
	return err
}
