package cli

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"
)

// unmapProgram takes the pages of this program's file out of this process: code and tables that the start
// has read, and 64 KiB around each. They stay in the kernel's cache, from where each comes back when it is
// read again. Pages that were written to since they were read are not touched.
func unmapProgram() error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		return err
	}
	defer f.Close()
	parts, err := unwritten(f, exe)
	if err != nil {
		return fmt.Errorf("read own mappings: %w", err)
	}
	for _, p := range parts {
		if _, _, errno := unix.Syscall(unix.SYS_MADVISE, p.from, p.to-p.from, unix.MADV_DONTNEED); errno != 0 {
			return fmt.Errorf("unmap %x-%x: %w", p.from, p.to, errno)
		}
	}
	return nil
}

// span is a part of the address space.
type span struct{ from, to uintptr }

// unwritten finds in the text of an smaps file the parts that map the file exe, cannot be written, and hold
// no page of their own: what a loader has relocated there is not in the file.
func unwritten(smaps io.Reader, exe string) ([]span, error) {
	var out []span
	var at span
	ours := false
	lines := bufio.NewScanner(smaps)
	for lines.Scan() {
		line := lines.Text()
		key, value, _ := strings.Cut(line, ":")
		switch {
		case key == "Anonymous":
			if ours && strings.TrimSpace(value) == "0 kB" {
				out = append(out, at)
			}
			ours = false
		case !strings.Contains(key, " "): // another field
		default:
			var perms string
			if _, err := fmt.Sscanf(line, "%x-%x %s", &at.from, &at.to, &perms); err != nil {
				return nil, err
			}
			ours = strings.HasSuffix(line, " "+exe) && strings.HasPrefix(perms, "r-") && strings.HasSuffix(perms, "p")
		}
	}
	return out, lines.Err()
}
