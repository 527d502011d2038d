package cli

import (
	"os"
	"path/filepath"
	"testing"

	"msctl.dev/msctl/internal/stack"
	"msctl.dev/msctl/internal/telemetry/otlp"
)

// TestForwardIsCheckedFirst checks that stack.yaml takes for telemetry.forward what the receiver can pass
// telemetry on to, and nothing else: a mistake is one of the file, and not of the running fleet.
func TestForwardIsCheckedFirst(t *testing.T) {
	path := filepath.Join(t.TempDir(), "stack.yaml")
	for target, want := range map[string]bool{
		"http://localhost:4318": true, "https://otlp.example/v1?a=b": true, "grpc://localhost:4317": true, "grpcs://otlp.example": true,
		"localhost:4318": false, "ftp://localhost": false, "http://": false, "http://:4318": false, "grpc://:4317": false,
		"http://localhost:port": false, "/v1/traces": false,
	} {
		text := "version: 1\ntelemetry:\n  forward: '" + target + "'\nservices:\n  web: {command: web}\n"
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		_, err := stack.Load(stack.LoadOptions{Files: []string{path}})
		if loads, passes := err == nil, otlp.CheckForward(target) == nil; loads != want || passes != want {
			t.Errorf("%s: the stack takes it: %t (%v), the receiver: %t, want %t", target, loads, err, passes, want)
		}
	}
}
