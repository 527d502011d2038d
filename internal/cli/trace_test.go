package cli

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"msctl.dev/msctl/internal/telemetry"
)

// TestTraceSettles waits for the callers of what has just happened, and for nothing else.
func TestTraceSettles(t *testing.T) {
	for name, c := range map[string]struct {
		ended  time.Duration // ago
		orphan bool
		comes  int // with which answer the caller comes; 0: never
		err    error
		took   time.Duration
	}{
		"whole":      {took: 0},
		"comes":      {orphan: true, comes: 4, took: 300 * time.Millisecond},
		"never":      {orphan: true, took: settleMost},
		"long ago":   {orphan: true, ended: fresh, took: 0},
		"not stored": {err: errors.New("no such trace"), took: 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				began, asked := time.Now(), 0
				tr, err := settled(t.Context(), func() (telemetry.Trace, error) {
					asked++
					row := telemetry.Row{Orphan: c.orphan && (c.comes == 0 || asked < c.comes)}
					row.Start, row.Duration = began.Add(-c.ended-time.Second), time.Second
					return telemetry.Trace{Rows: []telemetry.Row{row}}, c.err
				})
				if took := time.Since(began); took != c.took || err != c.err || c.comes > 0 && tr.Rows[0].Orphan {
					t.Errorf("took %v, want %v; %v; %+v", took, c.took, err, tr.Rows)
				}
			})
		})
	}
}
