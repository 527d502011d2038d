package experiment

import "gopkg.in/yaml.v3"

func foreign(doc *yaml.Node) bool { return false }

func (r *reader) toolkit(doc *yaml.Node) *Experiment { return nil }
