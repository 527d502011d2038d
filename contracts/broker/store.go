package broker

import (
	"encoding/json"
	"maps"
	"sync"
)

// Store keeps what a broker knows. The functions get it alone, and may not keep it.
type Store interface {
	View(func(*Data) error) error
	Update(func(*Data) error) error // what an error leaves behind is forgotten
}

// Memory is a store that ends with the process. Its zero value is empty.
type Memory struct {
	mu   sync.RWMutex // guards data
	data Data
}

// View implements [Store].
func (m *Memory) View(f func(*Data) error) error {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return f(&m.data)
}

// Update implements [Store].
func (m *Memory) Update(f func(*Data) error) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	next := m.data.clone()
	if err := f(&next); err != nil {
		return err
	}
	m.data = next
	return nil
}

// clone copies all that a function of [Store.Update] may change.
func (d *Data) clone() Data {
	out := *d
	out.Participants = make([]*Participant, len(d.Participants))
	for i, p := range d.Participants {
		copied := *p
		copied.Versions = make([]*Version, len(p.Versions))
		for j, v := range p.Versions {
			w := *v
			w.Branches, w.Tags = clip(v.Branches), clip(v.Tags)
			copied.Versions[j] = &w
		}
		out.Participants[i] = &copied
	}
	out.Pacts, out.Results = clip(d.Pacts), clip(d.Results)
	out.Environments = append([]Environment(nil), d.Environments...)
	out.Deployments = append([]Deployment(nil), d.Deployments...)
	out.Contents = maps.Clone(d.Contents) // readers have the old one
	if out.Contents == nil {
		out.Contents = map[string]json.RawMessage{}
	}
	return out
}

// clip makes appending copy.
func clip[T any](list []T) []T { return list[:len(list):len(list)] }
