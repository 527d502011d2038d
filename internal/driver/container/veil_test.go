package container

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestVeil shows that testcontainers-go is initialized behind the veil, and that the veil is gone then.
func TestVeil(t *testing.T) {
	cmd := exec.Command(os.Args[0], "getenv", "HOST_PROC")
	cmd.Env = []string{"GODEBUG=inittrace=1", "HOST_PROC=/as/it/was"}
	var story strings.Builder
	cmd.Stderr = &story
	out, err := cmd.Output()
	if err != nil || string(out) != "/as/it/was\n" {
		t.Errorf("HOST_PROC is %q afterwards, %v", out, err)
	}
	veiled := strings.Index(story.String(), "init msctl.dev/msctl/internal/driver/container/veil ")
	names := strings.Index(story.String(), "init github.com/testcontainers/testcontainers-go/internal/core/bootstrap ")
	lifted := strings.Index(story.String(), "init msctl.dev/msctl/internal/driver/container ")
	if veiled < 0 || names < veiled || lifted < names {
		t.Errorf("initialized at %d, %d, %d, want in order", veiled, names, lifted)
	}
	if v, set := os.LookupEnv("HOST_PROC"); set {
		t.Errorf("HOST_PROC is %q here", v)
	}
}
