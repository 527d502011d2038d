package experiment

import "time"

// ending is when something ceased to act, and what did that; zero: it has not.
type ending struct {
	at time.Time
	by string
}

// What undoes a step other than an action of the experiment.
const (
	byTime     = "its time"
	byRollback = "the rollback"
)

// acts notes a step that was done just now. Until when it acts is filled in when the run is over.
func (x *run) acts(s *Step, from time.Duration) {
	a := Acted{Name: s.Name, From: from, To: time.Since(x.begun), Faults: x.putBy(s), Edges: x.on(s), step: s}
	x.mu.Lock()
	defer x.mu.Unlock()
	x.j.Faults = append(x.j.Faults, a)
}

// over fills in until when a step acted, and what ended it. What has no inverse was over when it was done. The lock is
// held.
func (x *run) over(a *Acted) {
	for _, u := range x.undos {
		if u.step != a.step {
			continue
		}
		if a.To, a.EndedBy = time.Since(x.begun), u.by; u.by != "" {
			a.To = u.at.Sub(x.begun)
		}
	}
}

// lifts notes that an action has lifted faults.
func (w *world) lifts(ids []string, by string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, id := range ids {
		w.early[id] = ending{time.Now(), by}
	}
}

// lifted returns when actions had lifted all faults that a step put, and which was the last; zero: they have not.
func (w *world) lifted(s *Step) (last ending) {
	w.mu.Lock()
	defer w.mu.Unlock()
	f, _ := s.Act.(*faults)
	for _, one := range w.placed[f] {
		e, early := w.early[one.ID]
		switch {
		case one.Lease == "": // it was over at once
		case !early:
			return ending{}
		case e.at.After(last.at):
			last = e
		}
	}
	return last
}
