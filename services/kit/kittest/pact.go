//go:build pact

package kittest

import (
	"os"
	"testing"
)

// PactDir is where a consumer's test writes its pacts. Run by hand it keeps none.
func PactDir(t testing.TB) string {
	t.Helper()
	if dir := os.Getenv("MSCTL_PACT_DIR"); dir != "" {
		return dir
	}
	return t.TempDir()
}
