package tui

import (
	"fmt"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"

	"msctl.dev/msctl/internal/output"
)

// flood is what ten services print in a tenth of a second at 10,000 lines a second.
func flood(n *int, at time.Time) map[string][]output.Line {
	out := map[string][]output.Line{}
	for i := range 1000 {
		*n++
		unit := fmt.Sprint("service-", i%10)
		text := fmt.Sprintf(`{"time":"2026-03-01T12:00:00Z","level":"INFO","msg":"request %d","status":200,"took":"12ms","trace":"4bf92f3577b34da6a3ce929d0e0e4736"}`, *n)
		out[unit] = append(out[unit], output.Line{Seq: uint64(*n), At: at.Add(time.Duration(i) * 100 * time.Microsecond), Stream: output.Stdout, Text: []byte(text)})
	}
	return out
}

// BenchmarkView draws each view at 200x50 anew.
func BenchmarkView(b *testing.B) {
	for i, v := range Views {
		b.Run(v.Name, func(b *testing.B) {
			s := newStage(b, shop(), 200, 50)
			n := 0
			for unit, lines := range flood(&n, noon) {
				s.m.feed.addLines(unit, lines)
			}
			s.send(pulsed{})
			s.press(fmt.Sprint(i + 1))
			for b.Loop() {
				s.m.dirty = true
				s.m.View()
			}
		})
	}
}

// BenchmarkIdleView is what a message costs that changes nothing.
func BenchmarkIdleView(b *testing.B) {
	s := newStage(b, shop(), 200, 50)
	for b.Loop() {
		s.m.Update(pulsed{})
		s.m.View()
	}
}

// BenchmarkFlood is one pulse and its frame at 10,000 lines a second, of which there are ten each second:
// plain, and with a filter that reads every line.
func BenchmarkFlood(b *testing.B) {
	for _, filter := range []string{"", "status=200 request"} {
		b.Run("filter="+filter, func(b *testing.B) {
			s := newStage(b, shop(), 200, 50)
			s.press("2")
			if filter != "" {
				s.press("/", "text:"+filter, "enter")
			}
			n, at := 0, noon
			for b.Loop() {
				b.StopTimer()
				at = at.Add(100 * ms)
				for unit, lines := range flood(&n, at) {
					s.m.feed.addLines(unit, lines)
				}
				b.StartTimer()
				s.m.Update(pulsed{})
				s.m.View()
			}
		})
	}
}

// BenchmarkKey is a key while a full book is on the screen.
func BenchmarkKey(b *testing.B) {
	s := newStage(b, shop(), 200, 50)
	n := 0
	for i := range 25 {
		for unit, lines := range flood(&n, noon.Add(time.Duration(i)*100*ms)) {
			s.m.feed.addLines(unit, lines)
		}
		s.send(pulsed{})
	}
	s.press("2")
	for i := 0; b.Loop(); i++ {
		key := 'k'
		if i%2 == 1 {
			key = 'j'
		}
		s.m.Update(tea.KeyPressMsg{Code: key, Text: string(key)})
		s.m.View()
	}
}

// BenchmarkKeyToScreen is the time from a key to what it shows on a terminal device, at 10,000 lines a second.
func BenchmarkKeyToScreen(b *testing.B) {
	x := newTTY(b, 200, 50)
	f := shop()
	f.print = make(chan func(func([]output.Line) error) error)
	ended := x.start(b.Context(), f, x.options())
	x.await(0, "gateway")
	x.ours.WriteString("2")
	n := x.await(0, "panic: no key")
	stop := make(chan struct{})
	fed := make(chan struct{})
	go func() {
		defer close(fed)
		for count, tick := 0, time.NewTicker(100*time.Millisecond); ; {
			select {
			case <-stop:
				tick.Stop()
				return
			case <-tick.C:
			}
			f.print <- func(fn func([]output.Line) error) error {
				for _, lines := range flood(&count, noon.Add(time.Minute)) {
					if err := fn(lines); err != nil {
						return err
					}
				}
				return nil
			}
		}
	}()
	worst := time.Duration(0)
	for b.Loop() {
		for _, step := range [][2]string{{"5", "nothing happened"}, {"2", "request"}} {
			begun := time.Now()
			x.ours.WriteString(step[0])
			n = x.await(n, step[1])
			worst = max(worst, time.Since(begun))
		}
	}
	b.ReportMetric(float64(worst.Microseconds())/1000, "worst-ms")
	close(stop)
	<-fed
	x.ours.WriteString("q")
	x.ends(ended)
}
