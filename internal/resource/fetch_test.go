package resource_test

import (
	"context"
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"msctl.dev/msctl/internal/resource"
	"msctl.dev/msctl/internal/stack"
)

// TestResolveOffNetwork takes the next recipe where an image is neither here nor to be had, and asks a
// registry that did not answer only once.
func TestResolveOffNetwork(t *testing.T) {
	var asked []string
	m := resource.Prober{
		Engine:   func(context.Context) error { return nil },
		HasImage: func(_ context.Context, name string) bool { return name == "redis:7" },
		Fetch: func(_ context.Context, name string) error {
			asked = append(asked, name)
			return errors.New("no such host")
		},
	}.Probe(t.Context())
	m.Programs = pair
	st := &stack.Stack{Dir: t.TempDir(), Resources: []*stack.Resource{
		res("cache", "redis", image("redis:7")), res("orders-db", "postgres"), res("old-db", "postgres", image("postgres:12")),
	}}
	m.User = ""
	choices, err := resource.Resolve(st, m, "auto")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range choices {
		got = append(got, c.Backing())
	}
	if diff := cmp.Diff([]string{"container redis:7", "native postgres", "native postgres"}, got); diff != "" {
		t.Errorf("backings (-want +got):\n%s", diff)
	}
	if len(asked) != 1 {
		t.Errorf("the registry was asked for %v, want one try", asked)
	}
}
