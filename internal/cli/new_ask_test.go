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
		{"There is new: postgres, redis, rabbitmq, nats, kafka, mysql, mongo, smtp\r\nResources that it uses [none]: ", "redis"},
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

// TestNewUnanswered ends at a question by Ctrl-D, as by Ctrl-C: with its code, a line that says so, and nothing
// written.
func TestNewUnanswered(t *testing.T) {
	for what, key := range map[string]string{"Ctrl-D": "\x04", "Ctrl-C": "\x03"} {
		x := newTerminal(t, "version: 1\nname: shop\n\nservices:\n  web: {command: [fake, serve]}\n")
		cmd, tty := x.start("new", "service", "billing")
		x.await("Template [go-http]: ")
		if _, err := io.WriteString(tty, key); err != nil {
			t.Fatal(err)
		}
		if code := x.ends(cmd); code != exitInterrupt || !strings.Contains(x.seen(), "ended without an answer; nothing was written\r\n") {
			t.Errorf("%s: code %d: %s", what, code, x.seen())
		}
		if _, err := os.Stat(filepath.Join(x.dir, "services")); err == nil {
			t.Errorf("%s: something was written", what)
		}
	}
}
