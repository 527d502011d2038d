package main

import (
	"net/http"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/services/kit/kittest"
)

// each runs the test on every database that this machine has.
func each(t *testing.T, test func(t *testing.T, base string)) {
	t.Run("sqlite", func(t *testing.T) {
		test(t, kittest.Start(t, run, map[string]string{"NOTIFY_DB_URL": kittest.SQLite(t)}))
	})
	t.Run("postgres", func(t *testing.T) {
		need.Native(t, "initdb", "postgres")
		url := kittest.Postgres(t, need.Program("initdb"), need.Program("postgres"))
		test(t, kittest.Start(t, run, map[string]string{"NOTIFY_DB_URL": url}))
	})
}

// TestVersions keeps every version of a template readable, and renders any of them.
func TestVersions(t *testing.T) {
	each(t, func(t *testing.T, base string) {
		one := Content{Default: "en", Languages: map[string]map[string]Text{"en": texts("one {{link}}")}}
		two := Content{Default: "en", Languages: map[string]map[string]Text{"en": texts("two {{link}}")}}
		url := base + "/templates/welcome"
		if got := kittest.Call(t, "PUT", url, one, nil); got != http.StatusCreated {
			t.Errorf("first PUT: %d", got)
		}
		var put Template
		if got := kittest.Call(t, "PUT", url, two, &put); got != http.StatusOK || put.Version != 2 {
			t.Errorf("second PUT: %d, version %d", got, put.Version)
		}
		var first, newest Template
		kittest.Call(t, "GET", url+"/versions/1", nil, &first)
		kittest.Call(t, "GET", url, nil, &newest)
		if diff := cmp.Diff(one, first.Content) + cmp.Diff(put, newest); diff != "" {
			t.Error(diff)
		}
		var out Rendered
		in := map[string]any{"channel": "email", "language": "pt-BR", "version": 1, "variables": values}
		if got := kittest.Call(t, "POST", url+"/render", in, &out); got != 200 || out.Body != "one "+values["link"] {
			t.Errorf("render version 1: %d, %+v", got, out)
		}
		for path, want := range map[string]int{
			"/templates": 200, "/templates/welcome/versions": 200, "/templates/welcome/versions/3": 404,
			"/templates/welcome/versions/x": 400, "/templates/other": 404, "/templates/other/versions": 404,
		} {
			if got := kittest.Call(t, "GET", base+path, nil, nil); got != want {
				t.Errorf("GET %s: %d, want %d", path, got, want)
			}
		}
	})
}

// TestVersionsAtOnce gives changes that come together versions of their own, or refuses them.
func TestVersionsAtOnce(t *testing.T) {
	each(t, func(t *testing.T, base string) {
		var wg sync.WaitGroup
		var mu sync.Mutex
		seen := map[int64]int{}
		for range 8 {
			wg.Go(func() {
				var got Template
				c := Content{Languages: map[string]map[string]Text{"en": texts("b")}}
				status := kittest.Call(t, "PUT", base+"/templates/busy", c, &got)
				mu.Lock()
				defer mu.Unlock()
				if status < 300 {
					seen[got.Version]++
				} else if status != http.StatusConflict {
					t.Errorf("PUT: %d", status)
				}
			})
		}
		wg.Wait()
		for version, n := range seen {
			if n != 1 {
				t.Errorf("version %d was given %d times", version, n)
			}
		}
	})
}
