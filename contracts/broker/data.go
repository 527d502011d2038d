package broker

import (
	"encoding/json"
	"slices"
	"time"
)

// Data is all that a broker knows. It is plain: a [Store] keeps it and says who may touch it when.
type Data struct {
	Participants []*Participant             `json:"participants"`
	Pacts        []Publication              `json:"pacts"` // in the order in which they came
	Contents     map[string]json.RawMessage `json:"-"`     // pacts by their hash; never changed once there
	Results      []Result                   `json:"results"`
	Environments []Environment              `json:"environments"`
	Deployments  []Deployment               `json:"deployments"`
}

// Participant is a service that consumes, provides, or both.
type Participant struct {
	Name       string     `json:"name"`
	MainBranch string     `json:"main_branch,omitempty"`
	Versions   []*Version `json:"versions"` // in the order in which they came
	Created    time.Time  `json:"created"`
}

// Version is one version of a participant, often a commit.
type Version struct {
	Number   string    `json:"number"`
	Branches []string  `json:"branches,omitempty"`
	Tags     []string  `json:"tags,omitempty"`
	Build    string    `json:"build,omitempty"` // URL of the build that published it
	Created  time.Time `json:"created"`
}

// Publication is a pact that one version of a consumer published.
type Publication struct {
	Consumer string    `json:"consumer"`
	Provider string    `json:"provider"`
	Version  string    `json:"version"` // of the consumer
	Hash     string    `json:"hash"`    // of the content
	Created  time.Time `json:"created"`
}

// Result is what one verification of a pact by one version of the provider found.
type Result struct {
	Consumer string          `json:"consumer"`
	Provider string          `json:"provider"`
	Hash     string          `json:"hash"`    // of the pact
	Version  string          `json:"version"` // of the provider
	Success  bool            `json:"success"`
	Build    string          `json:"build,omitempty"`
	At       time.Time       `json:"at"`
	Body     json.RawMessage `json:"body"` // as the verifier sent it
}

// Environment is where versions are deployed to.
type Environment struct {
	ID         string    `json:"uuid"`
	Name       string    `json:"name"`
	Display    string    `json:"display_name,omitempty"`
	Production bool      `json:"production"`
	Created    time.Time `json:"created"`
	Updated    time.Time `json:"updated"`
}

// Deployment is a version in an environment. A newer one of the same instance replaces it; a release
// stands beside others until it is withdrawn.
type Deployment struct {
	ID          string    `json:"uuid"`
	Participant string    `json:"participant"`
	Version     string    `json:"version"`
	Environment string    `json:"environment"` // its id
	Instance    string    `json:"instance,omitempty"`
	Release     bool      `json:"release,omitempty"`
	At          time.Time `json:"at"`
	Ended       time.Time `json:"ended,omitzero"`
}

// participant returns the one of that name, or nil.
func (d *Data) participant(name string) *Participant {
	for _, p := range d.Participants {
		if p.Name == name {
			return p
		}
	}
	return nil
}

// join returns the participant of that name, made where it is new.
func (d *Data) join(name string, now time.Time) *Participant {
	p := d.participant(name)
	if p == nil {
		p = &Participant{Name: name, Created: now}
		d.Participants = append(d.Participants, p)
	}
	return p
}

// version returns one version of a participant, or nil.
func (d *Data) version(name, number string) *Version {
	p := d.participant(name)
	if p == nil {
		return nil
	}
	for _, v := range p.Versions {
		if v.Number == number {
			return v
		}
	}
	return nil
}

// enter returns the version, made where it is new.
func (d *Data) enter(name, number string, now time.Time) *Version {
	p := d.join(name, now)
	if v := d.version(name, number); v != nil {
		return v
	}
	v := &Version{Number: number, Created: now}
	p.Versions = append(p.Versions, v)
	return v
}

// age returns where a version stands among its participant's, the newest last; -1 is unknown.
func (d *Data) age(name, number string) int {
	p := d.participant(name)
	if p == nil {
		return -1
	}
	return slices.IndexFunc(p.Versions, func(v *Version) bool { return v.Number == number })
}

// published returns the pact that a version of a consumer has with a provider.
func (d *Data) published(consumer, version, provider string) (Publication, bool) {
	for _, p := range d.Pacts {
		if p.Consumer == consumer && p.Version == version && p.Provider == provider {
			return p, true
		}
	}
	return Publication{}, false
}

// result returns the last result of a pact's content against a version of its provider.
func (d *Data) result(p Publication, providerVersion string) (Result, bool) {
	for _, r := range slices.Backward(d.Results) {
		if r.Consumer == p.Consumer && r.Provider == p.Provider && r.Hash == p.Hash && r.Version == providerVersion {
			return r, true
		}
	}
	return Result{}, false
}

// environment finds one by its id or its name.
func (d *Data) environment(word string) (Environment, bool) {
	i := slices.IndexFunc(d.Environments, func(e Environment) bool { return e.ID == word || e.Name == word })
	if i < 0 {
		return Environment{}, false
	}
	return d.Environments[i], true
}

// deployed returns the versions of a participant that are in an environment now.
func (d *Data) deployed(participant, environment string) []string {
	var out []string
	for _, x := range d.Deployments {
		if x.Participant == participant && x.Environment == environment && x.Ended.IsZero() && !slices.Contains(out, x.Version) {
			out = append(out, x.Version)
		}
	}
	return out
}

// add appends a word that is not there yet.
func add(words *[]string, word string) {
	if word != "" && !slices.Contains(*words, word) {
		*words = append(*words, word)
	}
}
