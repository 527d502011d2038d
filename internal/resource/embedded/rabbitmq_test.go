package embedded

import (
	"net"
	"os"
	"strings"
	"testing"

	"context"
)

// TestRabbitMQ runs stand-ins for the port mapper and the broker: they live and end together.
func TestRabbitMQ(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("STAND_IN", "works")
	addr := freeAddr(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var out buffer
	ended := make(chan error, 1)
	go func() {
		ended <- Main(ctx, []string{"rabbitmq", "--addr", addr, "--epmd", exe, "--", exe, "broker"}, &out, &out)
	}()
	eventually(t, "broker runs", func() bool { return strings.Contains(out.String(), "broker runs") })
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatalf("the port mapper does not listen while the broker runs: %v", err)
	}
	c.Close()
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	if got := out.String(); !strings.Contains(got, "broker told to end") {
		t.Errorf("the broker was not told to end; output:\n%s", got)
	}
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("the port mapper outlives the broker")
	}
}

func TestRabbitMQEndsByItself(t *testing.T) {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("STAND_IN", "broken")
	addr := freeAddr(t)
	err = Main(t.Context(), []string{"rabbitmq", "--addr", addr, "--epmd", exe, "--", exe, "broker"}, &buffer{}, &buffer{})
	if want := "run embedded rabbitmq: broker ended by itself: exit status 7"; err == nil || err.Error() != want {
		t.Errorf("error %v, want %s", err, want)
	}
	if c, err := net.Dial("tcp", addr); err == nil {
		c.Close()
		t.Error("the port mapper outlives the broker")
	}
}
