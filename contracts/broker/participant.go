package broker

import (
	"net/http"
	"slices"
	"time"
)

func has(words []string, word string) bool { return slices.Contains(words, word) }

// participants lists all.
func (b *Broker) participants(x exchange) error {
	list, links := []any{}, []any{}
	b.Store.View(func(d *Data) error {
		for _, p := range d.Participants {
			list = append(list, x.participantDoc(p))
			links = append(links, x.link(path("/pacticipants", p.Name), "title", p.Name))
		}
		return nil
	})
	x.answer(http.StatusOK, object{"pacticipants": list, "_embedded": object{"pacticipants": list},
		"_links": object{"self": x.link("/pacticipants"), "pacticipants": links}})
	return nil
}

// participant answers for every name: a verifier looks for its provider before there is one.
func (b *Broker) participant(x exchange) error {
	p := &Participant{Name: x.r.PathValue("name")}
	b.Store.View(func(d *Data) error {
		if known := d.participant(p.Name); known != nil {
			p = &Participant{Name: known.Name, MainBranch: known.MainBranch, Created: known.Created}
		}
		return nil
	})
	x.answer(http.StatusOK, x.participantDoc(p))
	return nil
}

func (x exchange) participantDoc(p *Participant) object {
	self := path("/pacticipants", p.Name)
	doc := object{
		"name": p.Name, "displayName": p.Name, "createdAt": p.Created.UTC().Format(time.RFC3339),
		"_embedded": object{"labels": []any{}},
		"_links": object{
			"self":              x.link(self),
			"pb:versions":       x.link(self + "/versions"),
			"pb:version":        x.link(self + "/versions/{version}"),
			"pb:version-tag":    x.link(self + "/versions/{version}/tags/{tag}"),
			"pb:branch-version": x.link(self + "/branches/{branch}/versions/{version}"),
			"pb:latest-version": x.link(self + "/latest-version"),
		},
	}
	if p.MainBranch != "" {
		doc["mainBranch"] = p.MainBranch
	}
	return doc
}

// newParticipant makes one by its name.
func (b *Broker) newParticipant(x exchange) error {
	return b.saveParticipant(x, "", http.StatusCreated)
}

// putParticipant makes or changes one.
func (b *Broker) putParticipant(x exchange) error {
	return b.saveParticipant(x, x.r.PathValue("name"), http.StatusOK)
}

func (b *Broker) saveParticipant(x exchange, name string, status int) error {
	in := struct{ Name, MainBranch string }{}
	if err := x.read(&in); err != nil {
		return err
	}
	if name != "" {
		in.Name = name
	}
	if in.Name == "" {
		return refuse(http.StatusBadRequest, "the name is missing")
	}
	var doc object
	err := b.Store.Update(func(d *Data) error {
		p := d.join(in.Name, b.now())
		if in.MainBranch != "" {
			p.MainBranch = in.MainBranch
		}
		doc = x.participantDoc(p)
		return nil
	})
	if err != nil {
		return err
	}
	x.answer(status, doc)
	return nil
}

// versions lists a participant's, the newest first.
func (b *Broker) versions(x exchange) error {
	name := x.r.PathValue("name")
	list := []any{}
	b.Store.View(func(d *Data) error {
		if p := d.participant(name); p != nil {
			for _, v := range slices.Backward(p.Versions) {
				list = append(list, x.versionDoc(d, name, v))
			}
		}
		return nil
	})
	x.answer(http.StatusOK, object{"_embedded": object{"versions": list},
		"_links": object{"self": x.link(path("/pacticipants", name, "versions"))}})
	return nil
}

// version answers for one version of a participant.
func (b *Broker) version(x exchange) error {
	name, number := x.r.PathValue("name"), x.r.PathValue("version")
	var doc object
	b.Store.View(func(d *Data) error {
		if v := d.version(name, number); v != nil {
			doc = x.versionDoc(d, name, v)
		}
		return nil
	})
	if doc == nil {
		return refuse(http.StatusNotFound, "there is no version %s of %s", number, name)
	}
	x.answer(http.StatusOK, doc)
	return nil
}

// latestVersion answers for the newest one, of a branch where the path names one.
func (b *Broker) latestVersion(x exchange) error {
	name, branch := x.r.PathValue("name"), x.r.PathValue("branch")
	var doc object
	b.Store.View(func(d *Data) error {
		if v := d.newest(name, branch, x.r.FormValue("tag")); v != nil {
			doc = x.versionDoc(d, name, v)
		}
		return nil
	})
	if doc == nil {
		return refuse(http.StatusNotFound, "there is no version of %s", name)
	}
	x.answer(http.StatusOK, doc)
	return nil
}

// newest returns the last version on a branch and with a tag, where they are said, or nil.
func (d *Data) newest(name, branch, tag string) *Version {
	p := d.participant(name)
	if p == nil {
		return nil
	}
	for _, v := range slices.Backward(p.Versions) {
		if (branch == "" || has(v.Branches, branch)) && (tag == "" || has(v.Tags, tag)) {
			return v
		}
	}
	return nil
}

// versionDoc is a version with the links by which it is said to be deployed.
func (x exchange) versionDoc(d *Data, name string, v *Version) object {
	self := path("/pacticipants", name, "versions", v.Number)
	deploy, release, branches, tags := []any{}, []any{}, []any{}, []any{}
	for _, e := range d.Environments {
		deploy = append(deploy, x.link(self+path("deployed-versions", "environment", e.ID), "name", e.Name, "title", "Record deployment to "+e.Name))
		release = append(release, x.link(self+path("released-versions", "environment", e.ID), "name", e.Name, "title", "Record release to "+e.Name))
	}
	for _, branch := range v.Branches {
		branches = append(branches, object{"name": branch, "latest": d.newest(name, branch, "") == v})
	}
	for _, tag := range v.Tags {
		tags = append(tags, object{"name": tag})
	}
	return object{
		"number": v.Number, "createdAt": v.Created.UTC().Format(time.RFC3339), "buildUrl": v.Build,
		"_embedded": object{"branchVersions": branches, "tags": tags},
		"_links": object{
			"self":                 x.link(self, "title", "Version", "name", v.Number),
			"pb:pacticipant":       x.link(path("/pacticipants", name), "name", name),
			"pb:record-deployment": deploy, "pb:record-release": release,
		},
	}
}

// putVersion makes a version, on a branch where the path names one.
func (b *Broker) putVersion(x exchange) error {
	in := struct{ BuildURL string }{}
	if x.r.ContentLength != 0 {
		if err := x.read(&in); err != nil {
			return err
		}
	}
	name := x.r.PathValue("name")
	var doc object
	status := http.StatusOK
	err := b.Store.Update(func(d *Data) error {
		if d.version(name, x.r.PathValue("version")) == nil {
			status = http.StatusCreated
		}
		v := d.enter(name, x.r.PathValue("version"), b.now())
		add(&v.Branches, x.r.PathValue("branch"))
		if in.BuildURL != "" {
			v.Build = in.BuildURL
		}
		doc = x.versionDoc(d, name, v)
		return nil
	})
	if err != nil {
		return err
	}
	x.answer(status, doc)
	return nil
}

// tag puts a tag on a version.
func (b *Broker) tag(x exchange) error {
	tag := x.r.PathValue("tag")
	err := b.Store.Update(func(d *Data) error {
		v := d.enter(x.r.PathValue("name"), x.r.PathValue("version"), b.now())
		add(&v.Tags, tag)
		return nil
	})
	if err != nil {
		return err
	}
	x.answer(http.StatusCreated, object{"name": tag, "_links": object{"self": x.link(x.r.URL.EscapedPath())}})
	return nil
}

// deleteTag takes a tag from a version.
func (b *Broker) deleteTag(x exchange) error {
	return b.drop(x, func(d *Data) bool {
		v := d.version(x.r.PathValue("name"), x.r.PathValue("version"))
		return v != nil && remove(&v.Tags, x.r.PathValue("tag"))
	})
}

// deleteBranch takes a branch from all versions of a participant, which stay.
func (b *Broker) deleteBranch(x exchange) error {
	return b.drop(x, func(d *Data) bool {
		there := false
		if p := d.participant(x.r.PathValue("name")); p != nil {
			for _, v := range p.Versions {
				there = remove(&v.Branches, x.r.PathValue("branch")) || there
			}
		}
		return there
	})
}

// drop answers for something that is removed, or was not there.
func (b *Broker) drop(x exchange, f func(*Data) bool) error {
	err := b.Store.Update(func(d *Data) error {
		if !f(d) {
			return refuse(http.StatusNotFound, "there is no such thing")
		}
		return nil
	})
	if err == nil {
		x.w.WriteHeader(http.StatusNoContent)
	}
	return err
}

// remove takes a word out of a list.
func remove(words *[]string, word string) bool {
	n := len(*words)
	*words = slices.DeleteFunc(slices.Clone(*words), func(w string) bool { return w == word })
	return len(*words) < n
}
