package cli

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"msctl.dev/msctl/internal/need"
)

// TestContractScripts runs the scripts that need the library. What they build is kept for the next run.
func TestContractScripts(t *testing.T) {
	env := need.Pact(t)
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatal(err)
	}
	testscript.Run(t, testscript.Params{
		Dir: "testdata/contract",
		Setup: func(e *testscript.Env) error {
			for _, v := range env {
				name, value, _ := strings.Cut(v, "=")
				e.Setenv(name, value)
			}
			e.Setenv("XDG_CACHE_HOME", filepath.Join(cache, "msctl-test", "contract"))
			return setup(e)
		},
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
	})
}
