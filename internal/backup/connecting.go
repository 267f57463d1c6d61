package backup

import "holdfast.dev/holdfast/internal/resourceid"

// AlreadyConnected refuses to connect a Kubernetes cluster that is connected as another.
func (c *Cluster) AlreadyConnected() *Problem {
	return NewProblem(CodeClusterConnected, c.ID, "this Kubernetes cluster (%s) is connected already, as %s", c.UID, c.ID).advise(
		"Work with that resource; or disconnect it first: holdfast cluster disconnect "+c.flags()+".",
		"Or take the cluster over: holdfast cluster connect --take-over (takeOver in the request). "+c.Name()+" is then disconnected.")
}

// NameTaken refuses to connect another Kubernetes cluster as this one, which is connected.
func (c *Cluster) NameTaken() *Problem {
	return NewProblem(CodeClusterNameTaken, c.ID, "%s stands for another Kubernetes cluster (%s), which is connected", c.ID, c.UID).advise(
		"Give this cluster another name; or disconnect the other first: holdfast cluster disconnect "+c.flags()+".",
		"When this cluster has replaced the other: holdfast cluster connect --take-over (takeOver in the request).")
}

// IsAnother refuses what was meant for the Kubernetes cluster with that uid.
func (c *Cluster) IsAnother(uid string) *Problem {
	return NewProblem(CodeClusterOther, c.ID, "%s stands for the Kubernetes cluster %s, and not for this one (%s)", c.ID, c.UID, uid)
}

// ConnectedAs refuses to disconnect a Kubernetes cluster as one that it is not
// connected as any more: that would take the programs of c out of it.
func (c *Cluster) ConnectedAs(old string) *Problem {
	return NewProblem(CodeClusterOther, old, "this Kubernetes cluster (%s) is connected as %s, and not as %s any more", c.UID, c.ID, old).advise(
		"Delete the old resource when nothing needs it any more; the cluster stays connected.",
		"Or disconnect the cluster: holdfast cluster disconnect "+c.flags()+".")
}

// TakenOver is why the programs of another resource are turned away once its
// Kubernetes cluster is connected as c.
func (c *Cluster) TakenOver() *Problem {
	return NewProblem(CodeClusterDisconnected, c.ID, "the Kubernetes cluster is connected as %s now", c.ID).advise(
		"Use that resource, and delete this one when nothing needs it any more.",
		"Or take the cluster back: holdfast cluster connect --take-over.")
}

// Disconnected is why the programs of c are turned away once somebody has
// disconnected it.
func (c *Cluster) Disconnected() *Problem {
	return NewProblem(CodeClusterDisconnected, c.ID, "the cluster was disconnected")
}

// flags name the cluster on a command line.
func (c *Cluster) flags() string {
	group := ""
	if id, err := resourceid.Parse(c.ID); err == nil {
		group = "-g " + id.ResourceGroup() + " "
	}
	return group + "--name " + c.Name()
}
