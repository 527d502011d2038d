package fleet

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"msctl.dev/msctl/internal/driver/drivertest"
	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/state"
)

// TestStopResource checks that a resource takes the server that it has for itself down with it, and up
// again, and shows the server's page as its own.
func TestStopResource(t *testing.T) {
	st := stackOf(t.TempDir())
	st.Resources = []*stack.Resource{{Name: "mail", Type: "smtp"}}
	fake := &drivertest.Fake{Behave: after(time.Second)}
	o := options(t, st, fake)
	o.Runtime, o.Exe = "embedded", "msctl"
	synctest.Test(t, func(t *testing.T) {
		r := run(t, o, fake)
		for _, c := range []struct {
			do   func(context.Context, []string) error
			want state.Phase
		}{{r.Start, state.Ready}, {r.Stop, state.Stopped}, {r.Start, state.Ready}, {r.Restart, state.Ready}} {
			if err := c.do(t.Context(), []string{"mail"}); err != nil {
				t.Fatal(err)
			}
			if server, mail := r.get("mail-smtp"), r.get("mail"); server.Phase != c.want || mail.Phase != c.want {
				t.Errorf("got %s, want all %s", r.phases(), c.want)
			}
		}
		if got := fake.Starts("mail-smtp"); got != 3 {
			t.Errorf("the server was started %d times, want 3", got)
		}
		if ports := r.get("mail").Ports; len(ports) != 1 || ports[0].Name != "http" {
			t.Errorf("the mail server's page is not shown: %v", ports)
		}
		r.end(nil)
	})
}
