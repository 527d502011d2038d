package telemetry

import (
	"runtime"
	"sync"
	"time"
)

// lookahead asks the filter of the blocks that come next while the rows of one are taken, on all
// processors, as long as blocks take long because they have to be read. Otherwise there is more to lose than to
// win: on a busy machine one waits for whoever has been put aside.
type lookahead struct {
	x       *search
	blocks  []ranked
	of      []*matched // by block; nil: not asked yet
	took    time.Duration
	running sync.WaitGroup
}

// aheads is how many blocks are asked ahead per processor: most of them wait for the disk, which serves several at once
// sooner than one after the other.
const aheads = 4

// long is how long a block takes that is read from the disk, and more than any takes in memory.
const long = 150 * time.Microsecond

// matched is the rows of one block for which the filter holds.
type matched struct {
	done chan struct{} // closed when the rows are there
	rows bitset
	err  error
	took time.Duration
}

// rows returns the rows of block i.
func (l *lookahead) rows(i int) (bitset, error) {
	ahead := 1
	if l.took > long {
		ahead = aheads * runtime.GOMAXPROCS(0)
	}
	for j := i + 1; j < min(i+ahead, len(l.blocks)); j++ {
		if l.of[j] == nil && !l.x.beyond(l.blocks[j]) {
			l.ask(j)
		}
	}
	m := l.of[i]
	if m == nil {
		m = &matched{done: make(chan struct{})}
		l.match(i, m)
	}
	<-m.done
	l.of[i], l.took = nil, m.took
	return m.rows, m.err
}

func (l *lookahead) match(j int, m *matched) {
	began := time.Now()
	m.rows, m.err = l.x.matches(l.blocks[j], false)
	m.took = time.Since(began)
	close(m.done)
}

func (l *lookahead) ask(j int) {
	m := &matched{done: make(chan struct{})}
	l.of[j] = m
	l.running.Go(func() { l.match(j, m) })
}

// wait ends what was asked and is not needed. The blocks are not used afterwards.
func (l *lookahead) wait() { l.running.Wait() }
