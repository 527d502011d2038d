package resource_test

import (
	"context"
	"testing"
	"time"

	"msctl.dev/msctl/internal/need"
	"msctl.dev/msctl/internal/resource"
	"msctl.dev/msctl/internal/stack"
)

// TestRabbitManaged adds a virtual host to a broker with a management page, over its HTTP API.
func TestRabbitManaged(t *testing.T) {
	need.Docker(t)
	m := machine(t)
	managed := image("rabbitmq:3.10-management")
	needImage(t, m.Image("rabbitmq:3.10-management"))
	s := serverOf(t, m, "container", res("broker", "rabbitmq", managed))
	p := place(t, s)
	start(t, s, p)
	s = serverOf(t, m, "container", res("broker", "rabbitmq", managed), res("events", "rabbitmq", managed))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var ends []end
	for _, c := range s.Choices {
		if err := s.Prepare(ctx, p, c); err != nil {
			t.Fatal(err)
		}
		ends = append(ends, end{Endpoint: c.Endpoint(p)})
	}
	keep(ctx, t, rabbitClient, ends)
	isolated(ctx, t, rabbitClient, ends)
}

// TestRabbitRestarts checks that a broker which cannot be asked over HTTP is another unit when it has
// another virtual host, so that the fleet starts it again.
func TestRabbitRestarts(t *testing.T) {
	m := resource.Machine{}
	one := &stack.Resource{Name: "broker", Type: "rabbitmq"}
	two := &stack.Resource{Name: "events", Type: "rabbitmq"}
	p := resource.Place{DataDir: "/data", Ports: map[string]int{"amqp": 5672, "http": 15672}}
	label := func(rs ...*stack.Resource) string {
		u, err := serverOf(t, m, "container", rs...).Unit(p)
		if err != nil {
			t.Fatal(err)
		}
		return u.Labels["msctl.definitions"]
	}
	if before, after := label(one), label(one, two); before == after || before == "" {
		t.Errorf("labels %q and %q, want two", before, after)
	}
	one.Image, two.Image = "rabbitmq:4-management", "rabbitmq:4-management"
	if before, after := label(one), label(one, two); before != after {
		t.Errorf("with the management page: labels %q and %q, want one", before, after)
	}
}
