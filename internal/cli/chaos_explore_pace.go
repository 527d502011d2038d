package cli

import (
	"fmt"
	"sync"
	"time"

	"msctl.dev/msctl/chaos/explore"
)

// pace is how fast a search comes on. Its zero value has seen nothing.
type pace struct {
	most int       // runs that may be made; 0: any number
	end  time.Time // by which it is over; zero: any time

	mu    sync.Mutex // guards what follows
	at    explore.Progress
	all   int       // sets of single faults
	made  int       // runs that were not made before
	begun time.Time // when the first single fault was put that was not tried before
	from  int       // sets that were left then
	now   time.Time // of at
}

// note takes where the search stands.
func (p *pace) note(now time.Time, at explore.Progress) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.at.Faults == 0 {
		p.all = at.Left
	}
	if p.at.Faults == 0 || !p.run() {
		p.begun, p.from = now, at.Left
	}
	p.at, p.now = at, now
}

// run reports whether a single fault was tried since begun.
func (p *pace) run() bool { return p.made > explore.CleanRuns }

// ran takes that one more run was made.
func (p *pace) ran(past explore.Past) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.made++; len(past.Set) > 0 {
		p.made = max(p.made, explore.CleanRuns+1)
	}
}

// String says it: ": 11 of 214 runs, about 3 minutes left; omit orders:payments Capture". Of more than single faults
// nobody knows how many runs will be left out.
func (p *pace) String() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	c := p.at.Counts
	switch p.at.Faults {
	case 0:
		return ": without faults"
	case 1:
		return fmt.Sprintf(": %d of %d runs%s; %s", p.all-p.at.Left, p.all-p.at.Left+p.left(), p.time(), clean(brief(p.at.Set)))
	}
	return fmt.Sprintf(": %s made, sets of %s: %d left, %d left out; %s", count(c.Runs, "run"), count(p.at.Faults, "fault"),
		p.at.Left, c.Known+c.Merged+c.Broken, clean(brief(p.at.Set)))
}

// left is how many single faults are to be tried yet.
func (p *pace) left() int {
	if p.most > 0 {
		return min(p.at.Left, max(0, p.most-p.made))
	}
	return p.at.Left
}

// time says how long that will take, where enough were tried to tell.
func (p *pace) time() string {
	done := p.from - p.at.Left
	if done < 3 {
		return ""
	}
	d := p.now.Sub(p.begun) / time.Duration(done) * time.Duration(p.left())
	if !p.end.IsZero() {
		d = min(d, p.end.Sub(p.now))
	}
	switch minutes := int((d + 30*time.Second) / time.Minute); {
	case d < 50*time.Second:
		return ", less than a minute left"
	case minutes < 90:
		return ", about " + count(minutes, "minute") + " left"
	default:
		return ", about " + count((minutes+30)/60, "hour") + " left"
	}
}
