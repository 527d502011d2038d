package cli

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestNewAsks answers at a terminal what no flag says; a wrong answer is asked again, with a hint.
func TestNewAsks(t *testing.T) {
	x := newTerminal(t, "version: 1\nname: shop\n\nservices:\n  web:\n    command: [fake, serve]\n    listen: {http: auto}\n")
	cmd, tty := x.start("new", "service")
	for _, step := range []struct{ question, answer string }{
		{"Name of the service: ", "No good"},
		{"63 at most\r\nName of the service: ", "billing"},
		{"Template [go-http]: ", "python-htp"},
		{"did you mean python-http?\r\nTemplate [go-http]: ", "python-http"},
		{"Services that it calls (web) [none]: ", "web"},
		{"Resources that it uses (postgres, rabbitmq, redis, … or one of the stack's) [none]: ", "redis"},
		{"What the service keeps, in the singular [item]: ", ""},
	} {
		x.await(step.question)
		if _, err := io.WriteString(tty, step.answer+"\n"); err != nil {
			t.Fatal(err)
		}
	}
	if code := x.ends(cmd); code != exitOK {
		t.Fatalf("code %d: %s", code, x.seen())
	}
	text, err := os.ReadFile(filepath.Join(x.dir, "stack.yaml"))
	if err != nil || !strings.Contains(string(text), "calls: [web]\n    uses: [cache]\n") {
		t.Errorf("%v: %s", err, text)
	}
}
