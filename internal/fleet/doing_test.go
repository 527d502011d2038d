package fleet

import (
	"testing"
	"testing/synctest"
	"time"

	"msctl.dev/msctl/internal/driver/drivertest"
	"msctl.dev/msctl/internal/state"
)

// TestBuildingSaysWhat shows of a build that takes its time what it is at, for how long, and what it
// printed last; a short one says nothing.
func TestBuildingSaysWhat(t *testing.T) {
	fake := &drivertest.Fake{}
	o := options(t, stackOf(t.TempDir(), "web:"), fake)
	synctest.Test(t, func(t *testing.T) {
		r := run(t, o, fake)
		defer r.end(nil)
		time.Sleep(time.Second)
		job := &making{done: make(chan struct{}), doing: &doing{}}
		go r.unit("web").awaitMade(t.Context(), job)
		out := job.doing.begin(title([]string{"/usr/bin/go", "build", "-o", "x"}))
		synctest.Wait()
		time.Sleep(900 * time.Millisecond)
		if u := r.get("web"); u.Phase != state.Building || u.Reason != "" {
			t.Errorf("after 900 ms web is %s (%s)", u.Phase, u.Reason)
		}
		time.Sleep(2*time.Second + 200*time.Millisecond)
		if got, want := r.get("web").Reason, "go build, 3 s"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		out.Write([]byte("go: downloading a\ngo: downloading b\n"))
		time.Sleep(time.Second)
		if got, want := r.get("web").Reason, "go build, 4 s: go: downloading b"; got != want {
			t.Errorf("got %q, want %q", got, want)
		}
		close(job.done)
		synctest.Wait()
	})
}

func TestTitle(t *testing.T) {
	for want, argv := range map[string][]string{
		"make":            {"make"},
		"npm ci":          {"npm", "ci", "--no-audit"},
		"python3 -m venv": {"/usr/bin/python3", "-m", "venv", "--clear", "/x"},
	} {
		if got := title(argv); got != want {
			t.Errorf("got %q, want %q", got, want)
		}
	}
}
