package experiment

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"msctl.dev/msctl/internal/stack"
)

// hostile are files that once took minutes and gigabytes to refuse, or could.
func hostile() map[string]string {
	fill := func(begin, item string) string { return begin + strings.Repeat(item, (maxFile-len(begin))/len(item)) }
	numbered := func(format string) string {
		var b strings.Builder
		for i := 0; b.Len() < maxFile-64; i++ {
			fmt.Fprintf(&b, format, i)
		}
		return b.String()
	}
	var each strings.Builder
	for i := range 200 {
		fmt.Fprintf(&each, "${v%d}", i)
	}
	var grows strings.Builder
	for i := range 200 {
		fmt.Fprintf(&grows, "  v%d: %q\n", i, each.String()[:1000])
	}
	grown := `{type: action, name: b, provider: {type: process, path: "` + each.String() + `"}}`
	return map[string]string{
		"empty keys":         fill("", "?\n"),
		"unknown keys":       numbered("k%d: x\n"),
		"keys and comments":  fill("", "a: b #c\n"),
		"flow lists":         fill("", "["),
		"lists":              fill("", "- "),
		"keys that are keys": fill("", "? "),
		"flow mappings":      fill("", "{a: "),
		"aliases":            fill("a: &a x\nb: [", "*a,") + "]",
		"doubled aliases":    "a: &a [x, x, x, x, x, x, x, x]\nb: &b [*a, *a, *a, *a, *a, *a, *a, *a]\nc: &c [*b, *b, *b, *b, *b, *b, *b, *b]\nd: &d [*c, *c, *c, *c, *c, *c, *c, *c]\nfaults: [*d, *d, *d, *d, *d, *d, *d, *d]\n",
		"a long fault often": "title: a\nx-a: &a {fault: \"shop:bank refuse" + strings.Repeat(" refuse", 20_000) + "\"}\nfaults: [" + strings.Repeat("*a, ", 9_000) + "*a]\n",
		"values in values":   "title: a\nconfiguration:\n" + grows.String() + "method:\n  - " + grown + "\n",
		"a long value often": "title: a\nconfiguration: {v0: \"" + strings.Repeat("x", 100_000) + "\"}\nmethod:\n  - {type: action, name: b, provider: {type: process, path: \"" + strings.Repeat("${v0}", 20_000) + "\"}}\n",
	}
}

// TestHostileFiles reads files that are made to take long, and says in few words what is wrong with them. The values that
// name each other are nothing worse than odd: each is put in once.
func TestHostileFiles(t *testing.T) {
	for name, text := range hostile() {
		t.Run(name, func(t *testing.T) {
			if len(text) > maxFile {
				t.Fatalf("it has %d bytes", len(text))
			}
			err := quickly(t, []byte(text))
			all, _ := err.(stack.Errors)
			if fine := name == "values in values"; len(all) > maxWrong+1 || fine != (len(all) == 0) {
				t.Errorf("%d mistakes are told: %v", len(all), shorten(fmt.Sprint(err)))
			}
		})
	}
}

// FuzzRead parses anything, and says what is wrong with it, before anybody asks whether it hangs.
func FuzzRead(f *testing.F) {
	for _, text := range hostile() {
		f.Add([]byte(text))
	}
	f.Add([]byte("title: a\nsteady: [{http: GET shop/}]\nfaults:\n  - {at: 1s, fault: \"shop:bank latency=1ms\"}\n"))
	f.Add([]byte(`{"title": "a", "configuration": {"a": {"type": "env", "key": "A"}}, "method": [{"type": "action", "name": "x", "provider": {"type": "http", "url": "http://shop/${a}"}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) { _ = quickly(t, data) })
}

// quickly parses a file and tells its mistakes, and fails where that does not end.
func quickly(t *testing.T, data []byte) error {
	t.Helper()
	told := make(chan error, 1)
	go func() {
		_, err := Parse("a.yaml", data)
		_ = fmt.Sprint(err)
		told <- err
	}()
	select {
	case err := <-told:
		return err
	case <-time.After(10 * time.Second): // of a machine that is busy; alone it takes less than one
		t.Fatal("it takes more than 10 s")
		return nil
	}
}
