package container

import (
	"bufio"
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/client"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/output"
)

const (
	// lastWait is how long the live output of an ended container may be silent. The engine now and then
	// misses to end it; what is left is then read without following.
	lastWait = 250 * time.Millisecond
	// drainTimeout bounds the reading of that.
	drainTimeout = 30 * time.Second
)

// log carries the output of a unit from the engine into its log folder. One goroutine uses it at a time.
type log struct {
	to     *output.Writer // nil where the unit has no log folder
	mark   mark           // the last line of each stream that is stored
	notice func(string)   // nil is allowed; called by Run's goroutine
	news   chan string    // for notice, from other goroutines
	frames atomic.Uint64  // read so far
}

// openLog opens the log of u and finds where the stored output ends.
func openLog(u driver.Unit, h driver.Hooks) (*log, error) {
	l := &log{notice: h.Notice, news: make(chan string, 1)}
	if u.LogDir == "" {
		return l, nil
	}
	tail, err := output.Tail(u.LogDir, tailLines)
	if err != nil {
		return nil, err
	}
	if l.to, err = output.Open(u.LogDir, output.Options{Notice: l.hear}); err != nil {
		return nil, err
	}
	l.mark = markOf(tail)
	return l, nil
}

func (l *log) close() {
	if l.to != nil {
		l.to.Close()
	}
}

// last returns the number of the last stored line, or 0.
func (l *log) last() uint64 {
	if l.to == nil {
		return 0
	}
	return l.to.Last()
}

// note stores a remark of msctl's own and shows it.
func (l *log) note(text string) {
	if l.to != nil {
		_ = l.to.Append(time.Now(), output.Note, []byte(text))
		_ = l.to.Flush()
	}
	l.tell(text)
}

func (l *log) tell(text string) {
	if l.notice != nil {
		l.notice(text)
	}
}

// hear keeps one notice until it is told; what comes before that is a second one about the same trouble.
func (l *log) hear(text string) {
	select {
	case l.news <- text:
	default:
	}
}

// follow stores what container id prints until it has ended (gone is closed) and all was read, or until ctx
// ends. A broken connection is taken up again where the stored lines end; so is, once without following, the
// output of an ended container, because the engine leaves out its last file when it has several.
func (l *log) follow(ctx context.Context, cli *client.Client, id string, gone <-chan struct{}) {
	for {
		err := l.stream(ctx, cli, id, gone)
		if ctx.Err() != nil || errdefs.IsNotFound(err) {
			return
		}
		again := time.NewTimer(retryAfter(err))
		select {
		case <-gone:
			again.Stop()
			if err := l.drain(ctx, cli, id); err != nil && ctx.Err() == nil && l.to != nil {
				_ = l.to.Append(time.Now(), output.Note, []byte("the last output was not read: "+oneLine(err)))
			}
			return
		case <-again.C:
		case <-ctx.Done():
			again.Stop()
			return
		}
	}
}

// retryAfter is how long to wait for the container's end before its output is asked for again: an output
// that ended well was complete, and the news of the end is on its way.
func retryAfter(err error) time.Duration {
	if err == nil {
		return time.Second
	}
	return 200 * time.Millisecond
}

// stream reads the live output once.
func (l *log) stream(ctx context.Context, cli *client.Client, id string, gone <-chan struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-gone:
			l.silence(ctx)
			cancel()
		case <-ctx.Done():
		}
	}()
	return l.read(ctx, cli, id, true)
}

// silence waits until nothing was read for lastWait, or until ctx ends.
func (l *log) silence(ctx context.Context) {
	for {
		before := l.frames.Load()
		if pause(ctx, lastWait) != nil || l.frames.Load() == before {
			return
		}
	}
}

// drain stores what an ended container printed and is not stored yet.
func (l *log) drain(ctx context.Context, cli *client.Client, id string) error {
	ctx, cancel := context.WithTimeout(ctx, drainTimeout)
	defer cancel()
	return l.read(ctx, cli, id, false)
}

func (l *log) read(ctx context.Context, cli *client.Client, id string, follow bool) error {
	body, err := cli.ContainerLogs(ctx, id, container.LogsOptions{
		ShowStdout: true, ShowStderr: true, Timestamps: true, Follow: follow, Since: l.mark.since()})
	if err != nil {
		return err
	}
	defer body.Close()
	if l.to == nil {
		_, err := io.Copy(io.Discard, body)
		return err
	}
	return l.store(body)
}

// store appends the lines of one multiplexed stream of the engine that are not stored yet. It flushes
// whenever it would have to wait for more.
func (l *log) store(body io.Reader) error {
	in := frames{in: bufio.NewReaderSize(body, 256<<10)}
	resume := l.mark.resume()
	var parts [2]part
	for {
		if in.in.Buffered() == 0 {
			if err := l.to.Flush(); err != nil {
				return err
			}
		}
		f, err := in.next()
		l.frames.Add(1)
		if err == io.EOF {
			return errors.Join(l.rest(resume, &parts), l.to.Flush())
		}
		if err != nil {
			return err
		}
		p := &parts[f.stream]
		if p.open && !f.at.Equal(p.at) { // its last piece was as long as a piece can be
			if err := l.line(resume, streams[f.stream], p); err != nil {
				return err
			}
		}
		p.add(f)
		if !f.last {
			continue
		}
		if err := l.line(resume, streams[f.stream], p); err != nil {
			return err
		}
	}
}

// rest stores last lines that have no line feed.
func (l *log) rest(resume *resumption, parts *[2]part) error {
	for i := range parts {
		if parts[i].open {
			if err := l.line(resume, streams[i], &parts[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

// line stores one complete line and empties p.
func (l *log) line(resume *resumption, s output.Stream, p *part) error {
	defer p.reset()
	if resume.skip(s, p.at) {
		return nil
	}
	if err := l.to.AppendCut(p.at, s, p.text, p.cut); err != nil {
		return err
	}
	l.mark.add(s, p.at)
	return nil
}
