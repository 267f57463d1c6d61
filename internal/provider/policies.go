package provider

import (
	"context"

	v1 "holdfast.dev/holdfast/api/v1"
	"holdfast.dev/holdfast/internal/arm"
	"holdfast.dev/holdfast/internal/backup"
	"holdfast.dev/holdfast/internal/catalog"
	"holdfast.dev/holdfast/internal/inventory"
	"holdfast.dev/holdfast/internal/policywire"
)

const (
	typePolicy = typeVault + "/backupPolicies"
	policyPath = vaultPath + "/backupPolicies/{policy}"
)

func (p *Provider) policies() arm.Type {
	return arm.Type{
		Name: typePolicy, Path: policyPath, MinVersion: minBackupVersion,
		Get: get(p.Store, inventory.Policies.Get, alone(policyTo)), Put: p.putPolicy, Delete: remove(p.Store, inventory.Policies.Get, forgetPolicy),
		Lists: []arm.List{{Path: vaultPath + "/backupPolicies",
			Handler: list(p.Store, exists(inventory.Vaults.Get), inventory.Policies.Page, alone(policyTo))}},
	}
}

func (p *Provider) putPolicy(ctx context.Context, r *arm.Request) (*arm.Response, error) {
	var in v1.Policy
	if err := r.Decode(&in); err != nil {
		return nil, err
	}
	policy, err := policywire.Read(in.Properties)
	if err != nil {
		return nil, refused(err)
	}
	policy.ID = r.ID.String()
	if err := refuse(policy.Check()); err != nil {
		return nil, err
	}
	err = p.Store.Update(ctx, func(tx catalog.Tx) error { return p.storePolicy(tx, r, policy) })
	if err != nil {
		return nil, err
	}
	return arm.OK(policyTo(policy)).WithETag(policy.ETag), nil
}

func (p *Provider) storePolicy(tx catalog.Tx, r *arm.Request, policy *backup.Policy) error {
	vault, err := existing(inventory.Vaults.Get(tx, r.ID.Parent().String()))
	if err != nil {
		return err
	}
	if vault == nil {
		return arm.ParentNotFound(r.ID)
	}
	old, err := existing(inventory.Policies.Get(tx, r.ID.String()))
	if err != nil {
		return err
	}
	if err := r.Match(etagOf(baseOf(old))); err != nil {
		return err
	}
	if err := checkPolicyChange(tx, vault, policy, old); err != nil {
		return err
	}
	stamp(&policy.Meta, baseOf(old), r, p.Clock.Now())
	return inventory.Policies.Put(tx, policy)
}

// checkPolicyChange keeps a policy that instances use as it is, and the number
// of policies within its limit.
func checkPolicyChange(tx catalog.Tx, vault *backup.Vault, policy, old *backup.Policy) error {
	if old == nil {
		all, err := inventory.Policies.Below(tx, vault.ID)
		if err == nil && len(all) >= backup.MaxPoliciesPerVault {
			err = refuse(backup.NewProblem(backup.CodeTooManyPolicies, vault.ID, "vault %s has %d policies", vault.Name(), len(all)))
		}
		return err
	}
	if policy.SameRules(old) {
		return nil
	}
	users, err := inventory.Instances.With(tx, inventory.LabelPolicy, backup.Key(old.ID))
	if err == nil && len(users) > 0 {
		err = refuse(backup.NewProblem(backup.CodePolicyImmutable, old.ID, "policy %s is used by %d backup instances and cannot be changed", old.Name(), len(users)))
	}
	return err
}

// forgetPolicy removes a policy that no instance uses.
func forgetPolicy(tx catalog.Tx, _ *arm.Request, policy *backup.Policy) error {
	users, err := inventory.Instances.With(tx, inventory.LabelPolicy, backup.Key(policy.ID))
	if err != nil {
		return err
	}
	if len(users) > 0 {
		return refuse(backup.NewProblem(backup.CodePolicyInUse, policy.ID, "policy %s is used by %d backup instances", policy.Name(), len(users)))
	}
	if err := checkNoDeletedUsers(tx, policy); err != nil {
		return err
	}
	return inventory.Policies.Delete(tx, policy.ID)
}

// policyTo shows a policy.
func policyTo(p *backup.Policy) v1.Policy {
	return v1.Policy{Resource: envelope(&p.Meta), Properties: policywire.Show(p)}
}
