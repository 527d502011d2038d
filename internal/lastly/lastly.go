// Package lastly takes down what a test leaves up, also when the test's own process is killed: fleets outlive
// whoever started them, as they are meant to. It is for tests, and does nothing but on Linux.
package lastly

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
)

// Stacks says what to take down when this process has ended, however it does.
type Stacks struct {
	Program  string // msctl; it may be removed meanwhile. All of one process share the first one
	Below    string // every folder below it with a stack.yaml, unless it is gone by then
	Instance string // only that copy of a stack; "" is the stack itself and every copy of it
	Runtime  string // XDG_RUNTIME_DIR; "" is this process's own
}

// Down has stacks taken down at last.
func Down(s Stacks) error {
	if runtime.GOOS != "linux" {
		return nil
	}
	mu.Lock()
	defer mu.Unlock()
	if list == nil {
		var err error
		if list, err = begin(s.Program); err != nil {
			return fmt.Errorf("watch over stacks: %w", err)
		}
	}
	if s.Runtime == "" {
		s.Runtime = os.Getenv("XDG_RUNTIME_DIR")
	}
	_, err := fmt.Fprintln(list, strings.Join([]string{s.Below, s.Instance, s.Runtime}, "|"))
	return err
}

var (
	mu   sync.Mutex
	list io.Writer // to the shell that waits for the end of this process
)

// begin starts a shell, out of reach of what ends this process and its group. It holds the program open, and
// runs it under the name that msctl has.
func begin(program string) (io.Writer, error) {
	file, err := os.Open(program)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	dir, err := os.MkdirTemp("", "lastly")
	if err != nil {
		return nil, err
	}
	if err := os.Symlink("/proc/self/fd/3", filepath.Join(dir, "msctl")); err != nil {
		return nil, err
	}
	cmd := exec.Command("sh", "-c", script, "lastly", dir)
	cmd.Dir, cmd.ExtraFiles = dir, []*os.File{file}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	return in, cmd.Start()
}

// script reads folders until the pipe closes, and then takes down what is left of the stacks in them.
const script = `
while IFS= read -r line; do lines="$lines$line
"; done
printf %s "$lines" | while IFS='|' read -r below instance runtime; do
	[ -d "$below" ] || continue
	export XDG_RUNTIME_DIR="$runtime"
	find "$below" -name stack.yaml -not -path '*/.msctl/*' | while read -r file; do
		cd "$(dirname "$file")" || continue
		[ -d .msctl ] || continue
		if [ -n "$instance" ]; then
			"$1/msctl" --instance "$instance" down --force </dev/null
			continue
		fi
		"$1/msctl" down --force </dev/null
		for copy in .msctl/instances/*/; do
			[ -d "$copy" ] && "$1/msctl" --instance "$(basename "$copy")" down --force </dev/null
		done
	done
done
rm -r "$1"
`
