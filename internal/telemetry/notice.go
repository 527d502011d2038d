package telemetry

import (
	"log/slog"
	"sync"
	"time"
)

// notices says what goes wrong, each sort of it once a minute.
type notices struct {
	log *slog.Logger
	now func() time.Time

	mu   sync.Mutex
	last map[string]time.Time // guarded by mu
}

func (n *notices) warn(msg string, err error) {
	n.mu.Lock()
	now := n.now()
	at, said := n.last[msg]
	if n.last == nil {
		n.last = map[string]time.Time{}
	}
	quiet := said && now.Sub(at) < time.Minute
	if !quiet {
		n.last[msg] = now
	}
	n.mu.Unlock()
	if !quiet {
		n.log.Warn(msg, "err", err)
	}
}
