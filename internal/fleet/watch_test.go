package fleet

import (
	"errors"
	"testing"

	"msctl.dev/msctl/internal/stack"
)

// TestOneLine checks that mistakes of a stack fit the one line that an event has.
func TestOneLine(t *testing.T) {
	bad := &stack.Error{Pos: stack.Pos{File: "stack.yaml", Line: 58, Col: 1}, Msg: `unknown key "bad"`, Hint: "did you mean base?"}
	worse := &stack.Error{Pos: stack.Pos{File: "stack.yaml", Line: 60, Col: 3}, Msg: "no number", Hint: "use 3"}
	for _, tt := range []struct {
		err  error
		want string
	}{
		{errors.New("plain"), "plain"},
		{stack.Errors{bad}, `stack.yaml:58:1: unknown key "bad" (hint: did you mean base?)`},
		{stack.Errors{bad, worse, worse}, `stack.yaml:58:1: unknown key "bad" (hint: did you mean base?), and 2 more`},
		{stack.Errors{{Pos: bad.Pos, Msg: "first"}, worse}, "stack.yaml:58:1: first, and 1 more"},
	} {
		if got := oneLine(tt.err); got != tt.want {
			t.Errorf("got %q, want %q", got, tt.want)
		}
	}
}
