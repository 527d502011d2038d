package keeper

import "golang.org/x/sys/unix"

func subreaper() error { return nil }

const orphansAreOurs = false

func widen(uintptr) {}

// seal keeps what this process inherited by accident from its children.
func seal() {
	for fd := socketFD + 1; fd < 256; fd++ {
		unix.CloseOnExec(fd)
	}
}
