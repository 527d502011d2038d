package broker

import (
	"crypto/rand"
	"fmt"
	"net/http"
	"slices"
	"time"
)

// newID makes a random UUID.
func newID() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// environments lists all.
func (b *Broker) environments(x exchange) error {
	list, links := []any{}, []any{}
	b.Store.View(func(d *Data) error {
		for _, e := range d.Environments {
			list = append(list, x.environmentDoc(e))
			links = append(links, x.link(path("/environments", e.ID), "name", e.Name, "title", e.Name))
		}
		return nil
	})
	x.answer(http.StatusOK, object{"_embedded": object{"environments": list},
		"_links": object{"self": x.link("/environments"), "pb:environments": links}})
	return nil
}

func (x exchange) environmentDoc(e Environment) object {
	self := path("/environments", e.ID)
	display := e.Display
	if display == "" {
		display = e.Name
	}
	return object{
		"uuid": e.ID, "name": e.Name, "displayName": display, "production": e.Production, "contacts": []any{},
		"createdAt": e.Created.UTC().Format(time.RFC3339), "updatedAt": e.Updated.UTC().Format(time.RFC3339),
		"_links": object{
			"self": x.link(self, "name", e.Name, "title", "Environment"),
			"pb:currently-deployed-deployed-versions":  x.link(self + "/deployed-versions/currently-deployed"),
			"pb:currently-supported-released-versions": x.link(self + "/released-versions/currently-supported"),
			"pb:environments":                          x.link("/environments"),
		},
	}
}

// environment answers for one.
func (b *Broker) environment(x exchange) error {
	var e Environment
	found := false
	b.Store.View(func(d *Data) error { e, found = d.environment(x.r.PathValue("id")); return nil })
	if !found {
		return refuse(http.StatusNotFound, "there is no environment %q", x.r.PathValue("id"))
	}
	x.answer(http.StatusOK, x.environmentDoc(e))
	return nil
}

// described is what a client says of an environment.
type described struct {
	Name, DisplayName string
	Production        bool
}

// newEnvironment makes one; its name may not be taken.
func (b *Broker) newEnvironment(x exchange) error {
	var in described
	if err := x.read(&in); err != nil {
		return err
	}
	e := Environment{ID: newID(), Name: in.Name, Display: in.DisplayName, Production: in.Production, Created: b.now(), Updated: b.now()}
	err := b.Store.Update(func(d *Data) error {
		_, taken := d.environment(in.Name)
		if in.Name == "" || taken {
			text := "is missing"
			if taken {
				text = "is already in use by another environment"
			}
			return &refusal{status: http.StatusBadRequest, text: "name " + text, fields: object{"name": []string{text}}}
		}
		d.Environments = append(d.Environments, e)
		return nil
	})
	if err != nil {
		return err
	}
	x.answer(http.StatusCreated, x.environmentDoc(e))
	return nil
}

// putEnvironment changes one.
func (b *Broker) putEnvironment(x exchange) error {
	var in described
	if err := x.read(&in); err != nil {
		return err
	}
	var e Environment
	err := b.Store.Update(func(d *Data) error {
		i := slices.IndexFunc(d.Environments, func(e Environment) bool { return e.ID == x.r.PathValue("id") })
		if i < 0 {
			return refuse(http.StatusNotFound, "there is no environment %q", x.r.PathValue("id"))
		}
		e = d.Environments[i]
		if in.Name != "" {
			e.Name = in.Name
		}
		e.Display, e.Production, e.Updated = in.DisplayName, in.Production, b.now()
		d.Environments[i] = e
		return nil
	})
	if err != nil {
		return err
	}
	x.answer(http.StatusOK, x.environmentDoc(e))
	return nil
}

// deleteEnvironment removes one with what was deployed there.
func (b *Broker) deleteEnvironment(x exchange) error {
	id := x.r.PathValue("id")
	err := b.Store.Update(func(d *Data) error {
		n := len(d.Environments)
		d.Environments = slices.DeleteFunc(d.Environments, func(e Environment) bool { return e.ID == id })
		if len(d.Environments) == n {
			return refuse(http.StatusNotFound, "there is no environment %q", id)
		}
		d.Deployments = slices.DeleteFunc(d.Deployments, func(x Deployment) bool { return x.Environment == id })
		return nil
	})
	if err != nil {
		return err
	}
	x.w.WriteHeader(http.StatusNoContent)
	return nil
}

// deploy says that a version is deployed, in place of the one before it.
func (b *Broker) deploy(x exchange) error { return b.place(x, false) }

// release says that a version is released, beside those before it.
func (b *Broker) release(x exchange) error { return b.place(x, true) }

func (b *Broker) place(x exchange, release bool) error {
	in := struct{ ApplicationInstance, Target string }{}
	if x.r.ContentLength != 0 {
		if err := x.read(&in); err != nil {
			return err
		}
	}
	var doc object
	err := b.Store.Update(func(d *Data) error {
		name, number := x.r.PathValue("name"), x.r.PathValue("version")
		e, known := d.environment(x.r.PathValue("id"))
		if !known || d.version(name, number) == nil {
			return refuse(http.StatusNotFound, "there is no version %s of %s, or no such environment", number, name)
		}
		one := Deployment{ID: newID(), Participant: name, Version: number, Environment: e.ID,
			Instance: in.ApplicationInstance, Release: release, At: b.now()}
		if one.Instance == "" {
			one.Instance = in.Target
		}
		d.place(one)
		doc = x.deploymentDoc(d, one)
		return nil
	})
	if err != nil {
		return err
	}
	x.answer(http.StatusCreated, doc)
	return nil
}

// place adds a deployment and ends what it replaces.
func (d *Data) place(one Deployment) {
	for i, old := range d.Deployments {
		same := old.Participant == one.Participant && old.Environment == one.Environment && old.Release == one.Release && old.Ended.IsZero()
		if same && (!one.Release && old.Instance == one.Instance || one.Release && old.Version == one.Version) {
			d.Deployments[i].Ended = one.At
		}
	}
	d.Deployments = append(d.Deployments, one)
}

func (x exchange) deploymentDoc(d *Data, one Deployment) object {
	kind, current := "/deployed-versions", "currentlyDeployed"
	if one.Release {
		kind, current = "/released-versions", "currentlySupported"
	}
	e, _ := d.environment(one.Environment)
	doc := object{
		"uuid": one.ID, current: one.Ended.IsZero(), "createdAt": one.At.UTC().Format(time.RFC3339),
		"_embedded": object{
			"pacticipant": object{"name": one.Participant},
			"version":     object{"number": one.Version, "_links": object{"self": x.link(path("/pacticipants", one.Participant, "versions", one.Version))}},
			"environment": x.environmentDoc(e),
		},
		"_links": object{"self": x.link(path(kind, one.ID))},
	}
	if one.Instance != "" {
		doc["applicationInstance"], doc["target"] = one.Instance, one.Instance
	}
	return doc
}

// deployed lists what is in an environment.
func (b *Broker) deployed(x exchange) error { return b.inEnvironment(x, false) }

// released lists what is supported in an environment.
func (b *Broker) released(x exchange) error { return b.inEnvironment(x, true) }

func (b *Broker) inEnvironment(x exchange, release bool) error {
	list := []any{}
	name := x.r.FormValue("pacticipant")
	b.Store.View(func(d *Data) error {
		for _, one := range d.Deployments {
			if one.Environment == x.r.PathValue("id") && one.Release == release && one.Ended.IsZero() && (name == "" || name == one.Participant) {
				list = append(list, x.deploymentDoc(d, one))
			}
		}
		return nil
	})
	key := "deployedVersions"
	if release {
		key = "releasedVersions"
	}
	x.answer(http.StatusOK, object{"_embedded": object{key: list}, "_links": object{"self": x.link(x.r.URL.RequestURI())}})
	return nil
}

// withdraw says that a version is deployed or supported no more.
func (b *Broker) withdraw(x exchange) error {
	var doc object
	err := b.Store.Update(func(d *Data) error {
		i := slices.IndexFunc(d.Deployments, func(one Deployment) bool { return one.ID == x.r.PathValue("id") })
		if i < 0 {
			return refuse(http.StatusNotFound, "there is no such deployment")
		}
		d.Deployments[i].Ended = b.now()
		doc = x.deploymentDoc(d, d.Deployments[i])
		return nil
	})
	if err != nil {
		return err
	}
	x.answer(http.StatusOK, doc)
	return nil
}
