package process

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/keeper"
	"msctl.dev/msctl/internal/output"
)

// BenchmarkFleet starts, measures and stops b.N services: run it with -benchtime=500x.
func BenchmarkFleet(b *testing.B) {
	r := newBenchRig(b)
	var wg sync.WaitGroup
	var lives []*life
	begun := time.Now()
	for i := range b.N {
		u := r.unit(fmt.Sprintf("svc-%d", i), "silent")
		u.Argv = []string{"/bin/sleep", "1000"}
		l := r.run(u)
		lives = append(lives, l)
		wg.Go(func() { <-l.started })
	}
	wg.Wait()
	b.ReportMetric(time.Since(begun).Seconds(), "s-start")
	begun = time.Now()
	names := make([]string, b.N)
	for i := range names {
		names[i] = fmt.Sprintf("svc-%d", i)
	}
	if _, err := r.Sample(b.Context(), names); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(time.Since(begun).Milliseconds()), "ms-sample")
	rec, _ := keeper.ReadRecord(keeper.RecordPath(r.RunDir, "svc-0"))
	b.ReportMetric(pss(rec.Keeper.PID), "MB-keeper")
	begun = time.Now()
	for _, l := range lives {
		l.stop(nil)
	}
	for _, l := range lives {
		<-l.done
	}
	b.ReportMetric(time.Since(begun).Seconds(), "s-stop")
}

// BenchmarkLines runs a service that prints b.N lines, followed as it prints: -benchtime=300000x.
func BenchmarkLines(b *testing.B) {
	r := newBenchRig(b)
	u := r.unit("a", "lines", fmt.Sprint(b.N))
	b.ResetTimer()
	l := r.run(u)
	n := 0
	output.Follow(b.Context(), u.LogDir, output.Query{}, func(lines []output.Line) error {
		for _, l := range lines {
			if n++; string(l.Text) != fmt.Sprintf("line %d", n) {
				b.Fatalf("line %d is %q", n, l.Text)
			}
		}
		if n >= b.N {
			return errFound
		}
		return nil
	})
	b.StopTimer()
	<-l.done
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "lines/s")
}

func newBenchRig(b *testing.B) *rig {
	r := &rig{logs: b.TempDir()}
	r.Driver = &Driver{RunDir: b.TempDir(), Stack: fmt.Sprintf("bench-%d-%d", os.Getpid(), time.Now().UnixNano()), Keeper: []string{bin + "/msctl-keeper"}}
	r.tb = b
	b.Cleanup(func() { r.Sweep(b.Context(), false) })
	return r
}

func pss(pid int) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
	for line := range strings.Lines(string(text)) {
		var kb int
		if n, _ := fmt.Sscanf(line, "Pss: %d kB", &kb); n == 1 {
			return float64(kb) / 1024
		}
	}
	return 0
}

var _ driver.Sampler = (*Driver)(nil)
