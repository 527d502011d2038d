package fleet

// Running is a stack that runs on this machine: this one, in another process, or a neighbour.
type Running struct {
	ID        string // its marker
	PID       int    // of its supervisor, who holds the ports in front of its services
	Name, Dir string
}

// whose returns the running stack that a process belongs to: as its supervisor, or by the marker that it
// carries.
func whose(all []Running, pid int, mark string) (Running, bool) {
	for _, r := range all {
		if r.PID == pid || mark != "" && r.ID == mark {
			return r, true
		}
	}
	return Running{}, false
}
