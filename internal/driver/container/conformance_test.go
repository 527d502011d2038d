package container

import (
	"crypto/rand"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"msctl.dev/msctl/internal/driver"
	"msctl.dev/msctl/internal/driver/drivertest"
	"msctl.dev/msctl/internal/need"
)

// TestConformance holds the driver to what [driver.Driver] promises, with a program in an image that
// [BuildStatic] made.
func TestConformance(t *testing.T) {
	need.Docker(t)
	need.Tool(t, "go")
	image := actsImage(t)
	drivertest.Run(t, drivertest.Suite{
		New: func(t *testing.T) driver.Driver { return newDriver(t) },
		Again: func(_ *testing.T, d driver.Driver) driver.Driver {
			return &Driver{Stack: d.(*Driver).Stack}
		},
		Unit: func(t *testing.T, name string, a drivertest.Act, arg string) driver.Unit {
			u := driver.Unit{Name: name, Image: image, Argv: []string{string(a), arg}, Grace: time.Minute, LogDir: t.TempDir()}
			if a == drivertest.Absent {
				u.Image = "127.0.0.1:1/no/such:1"
			}
			return u
		},
	})
}

// actsImage builds testdata/acts into an image.
func actsImage(t *testing.T) string {
	t.Helper()
	program := filepath.Join(t.TempDir(), "acts")
	cmd := exec.Command("go", "build", "-o", program, "./testdata/acts")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	tag := "msctl-test/acts:" + strings.ToLower(rand.Text())
	if err := BuildStatic(t.Context(), program, tag); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dropImage(t, tag) })
	return tag
}
