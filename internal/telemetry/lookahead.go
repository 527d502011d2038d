package telemetry

import (
	"runtime"
	"sync"
)

// lookahead asks the filter of the blocks that come next while the rows of one are taken, on all
// processors. It begins when the first block was not enough.
type lookahead struct {
	x       *search
	blocks  []ranked
	of      []*matched // by block; nil: not asked yet
	running sync.WaitGroup
}

// matched is the rows of one block for which the filter holds.
type matched struct {
	done chan struct{} // closed when the rows are there
	rows bitset
	err  error
}

// rows returns the rows of block i.
func (l *lookahead) rows(i int) (bitset, error) {
	if i == 0 || l.x.node == nil {
		return l.x.matches(l.blocks[i], false)
	}
	for j := i; j < min(i+runtime.GOMAXPROCS(0), len(l.blocks)); j++ {
		if l.of[j] == nil && !l.x.beyond(l.blocks[j]) {
			l.ask(j)
		}
	}
	m := l.of[i]
	<-m.done
	l.of[i] = nil
	return m.rows, m.err
}

func (l *lookahead) ask(j int) {
	m := &matched{done: make(chan struct{})}
	l.of[j] = m
	l.running.Go(func() {
		defer close(m.done)
		m.rows, m.err = l.x.matches(l.blocks[j], false)
	})
}

// wait ends what was asked and is not needed. The blocks are not used afterwards.
func (l *lookahead) wait() { l.running.Wait() }
