package keeper

import (
	"math"

	"golang.org/x/sys/unix"
)

// subreaper makes every orphan of the tree below a child of this process.
func subreaper() error { return unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) }

// orphansAreOurs says that a process without children has an empty tree.
const orphansAreOurs = true

// widen lets the writer of a pipe run ahead of the reader.
func widen(fd uintptr) { unix.FcntlInt(fd, unix.F_SETPIPE_SZ, 1<<20) }

// seal keeps what this process inherited by accident from its children.
func seal() { unix.CloseRange(socketFD+1, math.MaxUint32, unix.CLOSE_RANGE_CLOEXEC) }
