package scaffold_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/redis/go-redis/v9"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// unit is what `msctl ps` says of one.
type unit struct {
	Name, URL, Phase string
	PID              int
	Ports            []struct{ Name, Addr string }
	Exit             *struct {
		Code   int
		Signal string
	}
}

func (s *stackUnderTest) unit(name string) unit {
	s.t.Helper()
	for line := range strings.Lines(s.msctl("ps", "--json")) {
		var u unit
		if err := json.Unmarshal([]byte(line), &u); err == nil && u.Name == name {
			return u
		}
	}
	s.t.Fatalf("there is no %s", name)
	return unit{}
}

// port is where a service answers on one of its ports.
func (s *stackUnderTest) port(service, name string) string {
	s.t.Helper()
	for _, p := range s.unit(service).Ports {
		if p.Name == name {
			return p.Addr
		}
	}
	s.t.Fatalf("%s has no port %s", service, name)
	return ""
}

// term asks a service to stop, and waits until it has, by itself.
func (s *stackUnderTest) term(t *testing.T, name string) {
	t.Helper()
	pid := s.unit(name).PID
	if pid == 0 {
		t.Fatalf("%s has no process", name)
	}
	if err := syscall.Kill(pid, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, name+" to end", func() bool {
		u := s.unit(name)
		return u.Exit != nil && u.PID != pid
	})
	if u := s.unit(name); u.Exit.Code != 0 || u.Exit.Signal != "" {
		t.Errorf("%s ended with %+v, want 0", name, *u.Exit)
	}
}

// stopped is L5: a service that gets TERM under load finishes every request that it took.
func (f *fleetUnderTest) stopped(t *testing.T) {
	for _, name := range f.http {
		t.Run(name, func(t *testing.T) {
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 20}}
			f.termUnderLoad(t, name, func(done *atomic.Int64) error { return hammer(client, f.at[name]+"/items", done) })
		})
	}
	for _, name := range f.grpc {
		t.Run(name, func(t *testing.T) {
			addr := f.port(name, "grpc")
			f.termUnderLoad(t, name, func(done *atomic.Int64) error {
				return hammerGRPC(grpcClient(t, addr), done)
			})
		})
	}
}

func (f *fleetUnderTest) termUnderLoad(t *testing.T, name string, ask func(done *atomic.Int64) error) {
	t.Helper()
	var done atomic.Int64
	var wg sync.WaitGroup
	lost := make([]error, 20)
	for i := range lost {
		wg.Go(func() { lost[i] = ask(&done) })
	}
	eventually(t, "load", func() bool { return done.Load() > 500 })
	f.term(t, name)
	wg.Wait()
	lost = slices.DeleteFunc(lost, func(err error) bool { return err == nil })
	if len(lost) > 0 {
		t.Errorf("of %d requests these were lost: %v", done.Load(), errors.Join(lost...))
	}
}

// hammer asks until nobody listens any more, which is no loss.
func hammer(client *http.Client, url string, done *atomic.Int64) error {
	for {
		resp, err := client.Get(url)
		if errors.Is(err, syscall.ECONNREFUSED) {
			return nil
		}
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if err != nil || resp.StatusCode != 200 {
			return fmt.Errorf("%d: %w", resp.StatusCode, err)
		}
		done.Add(1)
	}
}

func hammerGRPC(call func(method string, in []byte) error, done *atomic.Int64) error {
	for {
		err := call("/prices.v1.PricesService/List", nil)
		if status.Code(err) == codes.Unavailable && strings.Contains(err.Error(), "connection refused") {
			return nil
		}
		if err != nil {
			return err
		}
		done.Add(1)
	}
}

// nothingLost ends each worker while events come, and starts it again: it has handled all of them.
func (f *fleetUnderTest) nothingLost(t *testing.T) {
	const n = 45
	ids := make([]string, n)
	for i := range ids {
		ids[i] = fmt.Sprintf("kept-%02d", i)
		if status, body := post(t, f.at["billing"]+"/items", map[string]string{"id": ids[i], "name": "Kept"}); status != 201 {
			t.Fatalf("%d %s", status, body)
		}
		if i == n/3 {
			for _, name := range f.workers {
				f.term(t, name)
			}
		}
		if i == 2*n/3 {
			f.msctl(append([]string{"start"}, f.workers...)...)
		}
	}
	for _, name := range f.workers {
		f.at[name] = f.msctl("open", "--print", name)
	}
	eventually(t, "worker to handle all", func() bool {
		_, body := get(t, f.at["worker"]+"/handled")
		return !slices.ContainsFunc(ids, func(id string) bool { return !strings.Contains(body, id+`"`) })
	})
	if slices.Contains(f.workers, "printer") {
		f.inbox(t, "printer", n+1) // and the first of all
	}
}

// inbox waits until a Python worker has noted so many messages as done; it keeps the last in memory only.
func (f *fleetUnderTest) inbox(t *testing.T, name string, want int) {
	t.Helper()
	o, err := redis.ParseURL(f.unit("cache").URL)
	if err != nil {
		t.Fatal(err)
	}
	r := redis.NewClient(o)
	defer r.Close()
	eventually(t, name+" to handle all", func() bool {
		keys, err := r.Keys(t.Context(), name+":inbox:*").Result()
		if err != nil {
			t.Fatal(err)
		}
		done := 0
		for _, key := range keys {
			if v, err := r.Get(t.Context(), key).Result(); err == nil && v == "done" {
				done++
			}
		}
		return done >= want
	})
}
