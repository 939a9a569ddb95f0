"""APPO by Sample Factory 2.1.1, subclassed: retention terms, frozen parts, exact resumption.

``job`` says what to train, ``actor_critic`` holds student and teacher, ``learner`` adds the method's
term and writes checkpoints, ``sampling`` continues games after a kill, ``policies`` is what a retention
method sees, ``train`` is the way in.
"""
