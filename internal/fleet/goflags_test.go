package fleet

import (
	"testing"
)

// TestGoFlags builds a service by the GOFLAGS of its environment, and again when these change.
func TestGoFlags(t *testing.T) {
	p := newProject(t)
	p.write("services/a/gold.go", "//go:build gold\n\npackage main\n\nimport \"os\"\n\nfunc init() { os.Setenv(\"MOOD\", \"golden\") }\n")
	for _, round := range []struct{ from, to, want string }{
		{"    path: services/a\n", "    path: services/a\n    env: {GOFLAGS: -tags=gold}\n", "one first golden"},
		{"-tags=gold", "-tags=silver", "one first"},
	} {
		p.edit("stack.yaml", round.from, round.to)
		var err error
		if p.o.Stack, err = p.o.Load(); err != nil {
			t.Fatal(err)
		}
		r := p.up()
		if got, _ := says(t, r.get("a")); got != round.want {
			t.Errorf("a says %q, want %q", got, round.want)
		}
		if got, _ := says(t, r.get("b")); got != "one first" {
			t.Errorf("b says %q, want one first", got)
		}
		r.end(nil)
	}
}
