package transform

var jobLabels = []string{"controller-uid", "batch.kubernetes.io/controller-uid", "job-name", "batch.kubernetes.io/job-name"}

// job drops the selector and labels that the server made from the old UID;
// with manualSelector they are the user's.
func job(o *object) {
	spec := child(o.body, "spec")
	if spec == nil || spec["manualSelector"] == true {
		return
	}
	delete(spec, "selector")
	drop(child(o.body, "metadata"), "labels", jobLabels...)
	if meta := child(spec, "template", "metadata"); meta != nil {
		drop(meta, "labels", jobLabels...)
	}
}

// Suspend makes a CronJob or a Job wait, and says whether it was not waiting
// before. A CronJob must not fire into a half-restored application; a Job that
// was half done may repeat its side effects, so a person starts it.
func Suspend(body map[string]any) bool {
	group, kind := GroupKind(body)
	spec := child(body, "spec")
	if group != "batch" || kind != "CronJob" && kind != "Job" || spec == nil || spec["suspend"] == true {
		return false
	}
	spec["suspend"] = true
	return true
}
