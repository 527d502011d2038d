package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"msctl.dev/msctl/internal/output"
)

// TestFullDisk is D4: on a full disk the service runs on, the user is told once, and the log resumes by
// itself when there is room.
func TestFullDisk(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root may mount a small file system")
	}
	r := newRig(t)
	u := r.unit("a", "chatty", "2ms")
	if err := os.MkdirAll(u.LogDir, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := unix.Mount("tmpfs", u.LogDir, "tmpfs", 0, "size=1m"); err != nil {
		t.Skipf("mount a small file system: %v", err)
	}
	t.Cleanup(func() { unix.Unmount(u.LogDir, unix.MNT_DETACH) })
	l := r.run(u)
	s := l.up()
	r.prints(u, "line 5")
	filler := filepath.Join(u.LogDir, "filler")
	fill(t, filler)
	notice := within(t, "notice", func() (string, bool) {
		select {
		case text := <-l.notices:
			return text, true
		default:
			return "", false
		}
	})
	if !strings.Contains(notice, "no space left") {
		t.Errorf("notice %q", notice)
	}
	before := switches(t, s.PID) // it prints on: it is not stuck in a write
	within(t, "work on a full disk", func() (int, bool) { return 0, switches(t, s.PID) > before+100 })
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	note := r.prints(u, "lines dropped since")
	if note.Stream != output.Note {
		t.Errorf("note %+v", note)
	}
	next := uint64(1)
	output.Read(t.Context(), u.LogDir, output.Query{}, func(l output.Line) error {
		if l.Seq != next {
			return fmt.Errorf("line %d follows %d", l.Seq, next-1)
		}
		next++
		return nil
	})
	if len(l.notices) > 0 {
		t.Errorf("a second notice within the minute: %q", <-l.notices)
	}
	select {
	case <-l.done:
		t.Errorf("the service ended: %+v", l.exit)
	default:
	}
}

func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	block := make([]byte, 4096)
	for {
		if _, err := f.Write(block); err != nil {
			return
		}
	}
}

// switches returns how often a process has waited for something.
func switches(t *testing.T, pid int) (n int) {
	t.Helper()
	tasks, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/status", pid))
	for _, task := range tasks {
		text, _ := os.ReadFile(task)
		for line := range strings.Lines(string(text)) {
			var some int
			if got, _ := fmt.Sscanf(line, "voluntary_ctxt_switches: %d", &some); got == 1 {
				n += some
			}
		}
	}
	return n
}
