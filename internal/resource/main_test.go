package resource_test

import (
	"context"
	"fmt"
	"os"
	"testing"

	"msctl.dev/msctl/internal/resource/embedded"
)

// TestMain lets the test binary stand in for msctl: `TESTBINARY embedded nats …` is the server.
func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "embedded" {
		if err := embedded.Main(context.Background(), os.Args[2:], os.Stdout, os.Stderr); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}
