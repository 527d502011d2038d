package fleet

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"msctl.dev/msctl/internal/state"
)

// TestRestartNeedsWhatIsStopped: a service whose need was stopped by hand is not ended for a restart that
// could never come to its end.
func TestRestartNeedsWhatIsStopped(t *testing.T) {
	story(t, []string{"mail:", "email: mail", "web: email"}, nil, func(t *testing.T, r *rig) {
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := r.Stop(ctx, []string{"mail"}); err != nil {
			t.Fatal(err)
		}
		err := r.Restart(ctx, []string{"email"})
		var held *heldError
		if !errors.As(err, &held) || err.Error() != "email needs mail, which is stopped" || !strings.Contains(held.Hint(), "msctl start email") {
			t.Fatalf("got %v", err)
		}
		if u := r.get("email"); u.Phase != state.Ready || r.fake.Starts("email") != 1 {
			t.Errorf("email is %s after %d starts, want it left alone", u.Phase, r.fake.Starts("email"))
		}
		if err := r.Restart(ctx, []string{"web"}); err != nil {
			t.Errorf("web needs only email, which is up: %v", err)
		}
		if err := r.Restart(ctx, []string{"email", "mail"}); err != nil {
			t.Errorf("both together: %v", err)
		}
	})
}

// TestStartDoesNotWaitForWhatIsStopped: what waits for a start hears that a need was stopped meanwhile, and
// a start of the unit brings the need too.
func TestStartDoesNotWaitForWhatIsStopped(t *testing.T) {
	story(t, []string{"mail:", "email: mail", "web: email"}, nil, func(t *testing.T, r *rig) {
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
		defer cancel()
		if err := r.Stop(ctx, []string{"web", "email"}); err != nil {
			t.Fatal(err)
		}
		web := r.unit("web")
		number := web.start()
		if err := web.awaitUp(ctx, number); err == nil || !strings.Contains(err.Error(), "web needs email, which is stopped") {
			t.Errorf("got %v", err)
		}
		if u := r.get("web"); u.Phase != state.Pending {
			t.Errorf("web is %s, want it waiting", u.Phase)
		}
		if err := r.Start(ctx, []string{"web"}); err != nil {
			t.Errorf("start what waits, with what it needs: %v", err)
		}
	})
}
