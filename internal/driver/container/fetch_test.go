package container_test

import (
	"testing"

	"msctl.dev/msctl/internal/driver/container"
	"msctl.dev/msctl/internal/need"
)

// TestCanFetch asks a registry that is not there.
func TestCanFetch(t *testing.T) {
	need.Docker(t)
	if err := container.CanFetch(t.Context(), "127.0.0.1:1/none:1"); err == nil {
		t.Error("an image of a registry that is not there can be had")
	}
}
