package cli

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const smapsText = `00400000-01100000 r-xp 00000000 fe:00 123 /opt/bin/msctl
Size:              13312 kB
Anonymous:             0 kB
VmFlags: rd ex mr mw me
01100000-02000000 r--p 00d00000 fe:00 123 /opt/bin/msctl
Anonymous:             0 kB
02000000-02100000 r--p 01c00000 fe:00 123 /opt/bin/msctl
Anonymous:             4 kB
02100000-02200000 rw-p 01d00000 fe:00 123 /opt/bin/msctl
Anonymous:             0 kB
c000000000-c000800000 rw-p 00000000 00:00 0
Anonymous:          2048 kB
7f0000000000-7f0000100000 r-xp 00000000 fe:00 99 /lib/libc.so.6
Anonymous:             0 kB
`

// TestUnwritten finds the program's code and tables, and neither what was written nor another file.
func TestUnwritten(t *testing.T) {
	got, err := unwritten(strings.NewReader(smapsText), "/opt/bin/msctl")
	want := []span{{0x400000, 0x1100000}, {0x1100000, 0x2000000}}
	if diff := cmp.Diff(want, got, cmp.AllowUnexported(span{})); diff != "" || err != nil {
		t.Errorf("unwritten: %v, -want +got:\n%s", err, diff)
	}
}

// TestUnmapProgram goes on running afterwards.
func TestUnmapProgram(t *testing.T) {
	if err := unmapProgram(); err != nil {
		t.Error(err)
	}
}
