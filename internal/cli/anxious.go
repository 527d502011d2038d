package cli

import (
	"fmt"
	"io"
	"sync"
)

// anxious writes on and tells when that stops working, once until it works again. It is safe for concurrent
// use.
type anxious struct {
	w    io.Writer
	tell func(string) // must not write to this

	mu    sync.Mutex
	upset bool
}

func (a *anxious) Write(b []byte) (int, error) {
	n, err := a.w.Write(b)
	a.mu.Lock()
	news := err != nil && !a.upset
	a.upset = err != nil
	a.mu.Unlock()
	if news {
		a.tell(fmt.Sprintf("msctl goes on without its own log: %v", err))
	}
	return n, err
}
