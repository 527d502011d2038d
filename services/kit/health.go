package kit

import (
	"context"
	"encoding/json"
	"maps"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// health is what /livez and /readyz answer from.
type health struct {
	mu       sync.Mutex // guards checks
	checks   map[string]func(context.Context) error
	stopping atomic.Bool
}

// Check adds what must hold for the service to be ready, such as an answering database. fn has one
// second. A check of the same name replaces the first.
func (a *App) Check(name string, fn func(context.Context) error) {
	a.health.mu.Lock()
	defer a.health.mu.Unlock()
	if a.health.checks == nil {
		a.health.checks = map[string]func(context.Context) error{}
	}
	a.health.checks[name] = fn
}

// Ready asks every check, all at once, and returns the causes of those that do not hold.
func (a *App) Ready(ctx context.Context) map[string]string {
	bad := map[string]string{}
	if a.health.stopping.Load() {
		bad["service"] = "stopping"
	}
	a.health.mu.Lock()
	checks := maps.Clone(a.health.checks)
	a.health.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	var wg sync.WaitGroup
	var mu sync.Mutex // guards bad
	for name, fn := range checks {
		wg.Go(func() {
			if err := fn(ctx); err != nil {
				mu.Lock()
				defer mu.Unlock()
				bad[name] = err.Error()
			}
		})
	}
	wg.Wait()
	return bad
}

func (a *App) livez(w http.ResponseWriter, _ *http.Request) { WriteJSON(w, http.StatusOK, "live") }

func (a *App) readyz(w http.ResponseWriter, r *http.Request) {
	if bad := a.Ready(r.Context()); len(bad) > 0 {
		WriteJSON(w, http.StatusServiceUnavailable, bad)
		return
	}
	WriteJSON(w, http.StatusOK, "ready")
}

// WriteJSON answers v with that status.
func WriteJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v) // the client went away: nobody is left to tell
}
