// Business rule of change_request, and of incident where tickets are to be kept in step. The README says when it runs.
(function executeRule(current, previous) {
    new InterlockWebhook().task(current, current.operation());
})(current, previous);
