package resource_test

import (
	"os"
	"testing"

	"msctl.dev/msctl/internal/resource/resourcetest"
)

// TestMain lets the test binary stand in for msctl: `TESTBINARY embedded nats …` is the server.
func TestMain(m *testing.M) {
	if resourcetest.Embedded() {
		return
	}
	os.Exit(m.Run())
}
