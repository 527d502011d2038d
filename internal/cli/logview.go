package cli

import (
	"context"
	"errors"
	"io"
	"path/filepath"
	"sync"
	"time"

	"msctl.dev/msctl/internal/output"
)

// logView prints what units print, merged by time. Each unit is read and formatted by its own goroutine;
// one printer merges what is there and writes it at once when nothing more comes.
type logView struct {
	out    io.Writer
	dir    string // folder with one log folder per unit
	format *format
	hub    output.Hub
	once   sync.Once
	blocks chan block
	wg     sync.WaitGroup
}

// block is some lines of one unit, formatted.
type block struct {
	text  []byte
	ends  []int // of each line in text
	times []time.Time
}

func newLogView(out io.Writer, dir string, f *format) *logView {
	return &logView{out: out, dir: dir, format: f, blocks: make(chan block, 64)}
}

// block formats lines of a unit.
func (v *logView) block(unit string, lines []output.Line) block {
	b := block{ends: make([]int, 0, len(lines)), times: make([]time.Time, 0, len(lines))}
	size := 0
	for _, l := range lines {
		size += len(l.Text) + 48
	}
	b.text = make([]byte, 0, size)
	prefix := v.format.prefix(unit)
	for _, l := range lines {
		b.text = v.format.add(b.text, unit, prefix, l)
		b.ends, b.times = append(b.ends, len(b.text)), append(b.times, l.At)
	}
	return b
}

// add follows one more unit from q on. After live ends, what the unit printed until then is still read,
// until ctx ends too.
func (v *logView) add(ctx, live context.Context, unit string, q output.Query) {
	v.wg.Go(func() {
		send := func(lines []output.Line) error {
			if len(lines) == 0 {
				return nil
			}
			q.FromSeq = lines[len(lines)-1].Seq + 1
			select {
			case v.blocks <- v.block(unit, lines):
				return nil
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		dir := filepath.Join(v.dir, unit)
		v.hub.Follow(live, dir, q, send)
		output.Read(ctx, dir, q, func(l output.Line) error { return send([]output.Line{l}) })
	})
}

// end says that no unit is added any more; print returns when all were read to their end.
func (v *logView) end() {
	v.once.Do(func() {
		go func() {
			v.wg.Wait()
			close(v.blocks)
		}()
	})
}

// print writes blocks until end, several merged when they wait together. An error is the writer's.
func (v *logView) print() error {
	for b := range v.blocks {
		ready := []block{b}
		for more := true; more && len(ready) < cap(v.blocks); {
			select {
			case b, open := <-v.blocks:
				if more = open; open {
					ready = append(ready, b)
				}
			default:
				more = false
			}
		}
		if err := merge(v.out, ready); err != nil {
			v.discard()
			return err
		}
	}
	return nil
}

// discard lets the readers go on to their end when nobody reads what they send.
func (v *logView) discard() {
	go func() {
		for range v.blocks {
		}
	}()
}

// merge writes the lines of all blocks by time. Blocks of one unit keep their order: their times do.
func merge(w io.Writer, blocks []block) error {
	if len(blocks) == 1 {
		_, err := w.Write(blocks[0].text)
		return err
	}
	size := 0
	for _, b := range blocks {
		size += len(b.text)
	}
	text := make([]byte, 0, size)
	heads := make([]int, len(blocks))
	for {
		first := -1
		for i, b := range blocks {
			if heads[i] < len(b.ends) && (first < 0 || b.times[heads[i]].Before(blocks[first].times[heads[first]])) {
				first = i
			}
		}
		if first < 0 {
			_, err := w.Write(text)
			return err
		}
		text = append(text, blocks[first].line(heads[first])...)
		heads[first]++
	}
}

func (b block) line(i int) []byte {
	from := 0
	if i > 0 {
		from = b.ends[i-1]
	}
	return b.text[from:b.ends[i]]
}

// history prints what the units have printed until now, merged by time over their whole length, and
// returns the sequence number that each goes on with.
func (v *logView) history(ctx context.Context, units []string, q output.Query, last int) (map[string]uint64, error) {
	next := map[string]uint64{}
	streams := make([]*past, 0, len(units))
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	for _, u := range units {
		p := &past{unit: u, lines: make(chan []output.Line, 1)}
		v.wg.Go(func() { p.read(ctx, filepath.Join(v.dir, u), q, last) })
		streams = append(streams, p)
	}
	w := &batchWriter{w: v.out}
	for {
		p := earliest(streams)
		if p == nil {
			break
		}
		l := p.head[0]
		p.head = p.head[1:]
		next[p.unit] = l.Seq + 1
		w.text = v.format.add(w.text, p.unit, v.format.prefix(p.unit), l)
		if err := w.flushOver(64 << 10); err != nil {
			return nil, err
		}
	}
	for _, p := range streams {
		if p.err != nil && !errors.Is(p.err, context.Canceled) {
			return nil, p.err
		}
	}
	return next, errors.Join(w.flushOver(0), ctx.Err())
}
