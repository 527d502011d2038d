package cli

import (
	"context"
	"io"

	"msctl.dev/msctl/internal/output"
)

// pastBatch is how many lines are handed from a reader to the merger at once.
const pastBatch = 512

// past is the kept output of one unit, read ahead a little.
type past struct {
	unit  string
	lines chan []output.Line // closed at the end
	head  []output.Line      // of what was received
	err   error              // set before lines is closed
}

// read hands out the lines of q, or only the last of them.
func (p *past) read(ctx context.Context, dir string, q output.Query, last int) {
	defer close(p.lines)
	if last >= 0 {
		var lines []output.Line
		if lines, p.err = lastLines(ctx, dir, q, last); p.err == nil {
			p.send(ctx, lines)
		}
		return
	}
	batch := make([]output.Line, 0, pastBatch)
	p.err = output.Read(ctx, dir, q, func(l output.Line) error {
		if batch = append(batch, l); len(batch) < pastBatch {
			return nil
		}
		full := batch
		batch = make([]output.Line, 0, pastBatch)
		return p.send(ctx, full)
	})
	if p.err == nil {
		p.send(ctx, batch)
	}
}

func (p *past) send(ctx context.Context, lines []output.Line) error {
	select {
	case p.lines <- lines:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lastLines returns the last n lines that q chooses.
func lastLines(ctx context.Context, dir string, q output.Query, n int) ([]output.Line, error) {
	if q.Grep == nil && q.Since.IsZero() {
		return output.Tail(dir, n)
	}
	var ring []output.Line
	err := output.Read(ctx, dir, q, func(l output.Line) error {
		if ring = append(ring, l); len(ring) >= 2*n+pastBatch {
			ring = append(ring[:0], ring[len(ring)-n:]...)
		}
		return nil
	})
	return ring[max(0, len(ring)-n):], err
}

// earliest returns the stream whose next line is the oldest, or nil when all ended.
func earliest(streams []*past) *past {
	var first *past
	for _, p := range streams {
		for len(p.head) == 0 {
			lines, open := <-p.lines
			if !open {
				break
			}
			p.head = lines
		}
		if len(p.head) > 0 && (first == nil || p.head[0].At.Before(first.head[0].At)) {
			first = p
		}
	}
	return first
}

// batchWriter gathers text and writes it in large pieces.
type batchWriter struct {
	w    io.Writer
	text []byte
}

// flushOver writes what was gathered once it is longer than n bytes.
func (b *batchWriter) flushOver(n int) error {
	if len(b.text) <= n {
		return nil
	}
	_, err := b.w.Write(b.text)
	b.text = b.text[:0]
	return err
}
