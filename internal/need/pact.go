package need

import (
	"os"
	"os/exec"
	"testing"

	"msctl.dev/msctl/contracts/library"
)

// Pact skips t where libpact_ffi or a C compiler is missing, and returns the variables with which
// `go test -tags pact` builds and runs, as NAME=value.
func Pact(t testing.TB) []string {
	t.Helper()
	l, err := library.Find(library.Here(os.Getenv))
	if err != nil {
		Missing(t, "pact", err.Error()+"; `msctl contract install` fetches it")
		return nil
	}
	if _, err := exec.LookPath("gcc"); err != nil {
		if _, err := exec.LookPath("cc"); err != nil {
			Missing(t, "pact", "no C compiler is on PATH")
			return nil
		}
	}
	return l.Env(os.Getenv)
}
