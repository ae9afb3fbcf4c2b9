// Business rule of sysapproval_approver. The README says when it runs.
(function executeRule(current, previous) {
    new InterlockWebhook().approval(current, current.operation());
})(current, previous);
